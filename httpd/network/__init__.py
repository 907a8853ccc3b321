"""Who talks: listening sockets, event loops and connections.

Called by `httpd.process`; imports `httpd.site`, `httpd.protocol` and `httpd.observe`.
"""
