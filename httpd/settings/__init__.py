"""Settings, each declared once: as a field of the dataclass of the room that uses it.

A declaration names the kind of the value, the default and the help text::

    send_timeout: float = key(duration(0.1, 86400), "60s", "How long a client may ...")

This package imports no other room, so that every room may declare its settings: `declaration` has
`key`, `kinds` and `system_kinds` say what a value may be, and `loader` makes the dataclasses of
what the operator wrote.  `httpd.configuration` puts the dataclasses of all rooms together.
"""
