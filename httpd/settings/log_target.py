"""The kind of a value that says where an access log leads."""

from __future__ import annotations

from typing import Any

from httpd.settings.kinds import Kind
from httpd.settings.system_kinds import PATH

JOURNAL, STDOUT = "journal", "stdout"
_OFF = "off"  # YAML takes it for false, unless it is quoted
_ALLOWED = "a path, journal, stdout, or false for none"


def _read_target(value: Any) -> str | None:
    if value is False or value == _OFF:
        return None
    try:
        return str(PATH.read(value))
    except ValueError:
        raise ValueError(_ALLOWED) from None


LOG_TARGET = Kind(
    _ALLOWED,
    _read_target,
    {"anyOf": [PATH.schema, {"const": False}]},
    is_path=True,
    words=(JOURNAL, STDOUT, _OFF),
)
"""An absolute path, `JOURNAL` or `STDOUT`; None for nowhere."""
