"""phttpd: a parallel HTTP/1.1 server for static files, in pure Python.

This file and ``__main__`` are read by interpreters of any age, so that an old one can say what it
lacks.
"""

__version__ = "0.1.0"
