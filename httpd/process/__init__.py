"""Who runs: the supervisor, its workers, and what makes a daemon of them.

Called by `httpd.cli`; imports `httpd.network` and below.
"""
