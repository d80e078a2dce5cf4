"""The verbs of the command line, a module for each group of them; `tasks.py` is their table of contents."""
