"""How we reach a board: host keys, login, one connection, commands with deadlines. Knows nothing of runs."""
