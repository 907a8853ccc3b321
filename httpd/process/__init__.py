"""The processes of a server: supervisor, workers, daemon, pidfile, service manager.

Called by `httpd.cli`; imports `httpd.network` and below.
"""
