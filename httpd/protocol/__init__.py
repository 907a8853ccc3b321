"""What HTTP means: bytes in and values out.

Pure functions of their arguments: no sockets, files, clocks, threads or logs.  Imported by
the rooms above it; imports nothing of this package but itself.
"""
