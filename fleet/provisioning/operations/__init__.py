"""Operations that pyinfra does not have; written as its own are: ask facts, give commands where something differs.

``FILES`` names the arguments that are paths of this workstation, ``CHECKS`` what is wrong with local files ("" for
nothing; a hint after a newline), asked before any board is touched.
"""
