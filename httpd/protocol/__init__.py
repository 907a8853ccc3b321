"""What HTTP means: bytes in and values out.

Pure functions of their arguments: no sockets, files, clocks, threads or logs.  Called by
`httpd.site` and `httpd.network`; imports nothing of this package but itself.
"""
