"""The kind of a list of networks, whose clients a setting is about."""

from __future__ import annotations

import ipaddress
from typing import Any

from httpd.settings.kinds import Kind

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_ALLOWED = "a list of networks such as 10.1.0.0/16 or 2001:db8::/32, or of addresses"
_SCHEMA = {"type": "string", "pattern": "^[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?$"}


def _read_networks(value: Any) -> tuple[Network, ...]:
    return tuple(map(_read_network, value if isinstance(value, list) else [value]))


def _read_network(value: Any) -> Network:
    if not isinstance(value, str):
        raise ValueError(_ALLOWED, value)
    try:
        return ipaddress.ip_network(value)
    except ValueError as error:
        is_host = "host bits" in str(error)
        allowed = str(ipaddress.ip_network(value, strict=False)) if is_host else _ALLOWED
        raise ValueError(allowed, value) from None


NETWORKS = Kind(
    _ALLOWED, _read_networks, {**_SCHEMA, "type": ["string", "array"], "items": _SCHEMA}
)
