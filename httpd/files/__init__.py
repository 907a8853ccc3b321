"""The disk: paths below the docroot, open files, and the cache of opened files.

Called by `httpd.site`; imports `httpd.protocol` only.
"""
