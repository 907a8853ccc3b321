"""Commands beside serving: what a person or a script asks of a daemon that runs.

Each module is imported only for its command: a server does without them.
"""
