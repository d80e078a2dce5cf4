"""The verbs of the command line, a module for each group of them; `tasks.py` is their table of contents."""

import sys

# Invoke keeps no bytecode unless --write-pyc asks for it, as suits one page of tasks. Behind a verb are a hundred
# modules, and compiling them again took a third of its CPU time. Who told Python itself to keep none is obeyed.
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)
