"""Turns evidence into claims: parse, gate, summarise, write. Opens no connection and never imports ``fleet``."""
