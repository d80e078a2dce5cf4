"""From claims to what people hand over: the report as data, and the pages that it is written as."""
