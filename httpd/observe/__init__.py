"""What the operator sees: messages, the access log, the scoreboard.

A leaf: imports nothing else of this package, and every other room may call it.
"""
