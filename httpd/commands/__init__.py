"""Commands to a running daemon: stop, reload, upgrade, pause, resume, unready, ready and status.

Each module is imported only for its command: a server does without them.
"""
