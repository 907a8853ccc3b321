"""A site: from a `Request` to a `ResponseBuilder`, through files below the docroot.

Called by `httpd.gateway`; imports `httpd.files`, `httpd.protocol` and `httpd.settings` only.  Every
object here belongs to one loop and is used by no other thread.
"""
