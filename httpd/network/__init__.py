"""The network: listening sockets, event loops, and connections from accept to close.

Called by `httpd.process`; imports `httpd.gateway` and the rooms below it, and `httpd.observe`.
"""
