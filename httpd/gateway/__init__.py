"""From request heads to responses: one entrance, and the caches behind it.

Called by `httpd.network`; imports `httpd.site`, `httpd.files` and `httpd.protocol` only.
"""
