"""What the tool itself costs, as ratios: ours and a named alternative take turns in one run on one machine.

Absolute seconds say more about the machine than about the code, so no number here stands without the one beside
it. Each benchmark is a module whose docstring says what is measured, how, against what, and what it does not show.
``python -m benchmarks [NAME…]`` prints one table; ``docs/performance.md`` keeps one with its date.
"""
