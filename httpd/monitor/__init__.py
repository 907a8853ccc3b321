"""The monitor: a process beside the workers that shows over HTTP what the server is doing.

It serves with the loops and connections of `httpd.network`, and reads the scoreboards of
`httpd.observe`.  No site and no worker depends on it.
"""
