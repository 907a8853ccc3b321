"""Makes the JSON Schema of the config file: the table of keys, and the comments of etc/phttpd.yaml.

Editors complete and check a config file by it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from httpd.configuration import KEYS
from httpd.settings.declaration import Key

ETC = Path(__file__).parents[2] / "etc"
SCHEMA = ETC / "phttpd.schema.json"


def generate() -> str:
    """Return the text of etc/phttpd.schema.json."""
    comments = read_comments((ETC / "phttpd.yaml").read_text("utf-8"))
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "The configuration of phttpd",
        "type": ["object", "null"],
        "properties": {name: describe(key, comments[name]) for name, key in KEYS.items()},
        "additionalProperties": False,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def read_comments(text: str) -> dict[str, str]:
    """Return what stands above each key, in force or not; keys without a blank line share it."""
    found: dict[str, str] = {}
    for block in text.split("\n\n"):
        comment = "\n".join(re.findall(r"^# (.*)", block, re.MULTILINE))
        found |= dict.fromkeys(re.findall(r"^#?([a-z_]+):", block, re.MULTILINE), comment)
    return found


def describe(key: Key, comment: str) -> dict[str, object]:
    """Return the schema of one key.  A key without a value is as good as none."""
    default = {} if key.default is None or key.is_required else {"default": key.default}
    allowed = {"anyOf": [key.kind.schema, {"type": "null"}]}
    return {"description": comment, **default, **allowed}
