"""What is served: from a `Request` to a `Response`, through files below the docroot.

Called by `httpd.gateway`; imports `httpd.files` and `httpd.protocol` only.  Every object here
belongs to one loop and is used by no other thread.
"""
