"""The JSON Schema of the config file, by which editors complete and check it."""

from __future__ import annotations

import json

from httpd.configuration import KEYS
from httpd.settings.loader import schema_of


def generate() -> str:
    """Return the text of etc/phttpd.schema.json."""
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$comment": "Written by “make docs” from httpd/*/settings.py.",
        "title": "The configuration of phttpd",
        "type": ["object", "null"],
        "properties": {name: schema_of(key) for name, key in KEYS.items()},
        "additionalProperties": False,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
