"""Writes what the declarations of the settings say: ``make docs``, or ``python -m tools.docs``.

The JSON Schema, the commented config file, the keys in the manual page and the reference page come
from the same fields, so a key is described once.
"""
