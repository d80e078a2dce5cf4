"""A night: what a timer starts and nobody watches, as a row of stages whose results outlive the process.

``night`` is what is known of one night, ``health`` what is known of each board, ``stages`` what is done, ``on_boards``
what is done on boards, ``until`` where a night ends, ``page`` and ``junit`` what it looks like in the morning,
``notify`` who is told, ``units`` who starts it. What logs mean is handed in by ``verbs`` as plain functions.
"""
