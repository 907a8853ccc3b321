"""The name of a host, as a Host field or the authority of an absolute target has it."""

from __future__ import annotations

import ipaddress


def host_name(host: str) -> str:
    """Return the one spelling that all spellings of a name share (RFC 3986 §3.2.2, §6.2.2.1).

    Args:
        host: a valid Host (RFC 9110 §7.2), with or without a port.

    Returns:
        The name in lower case, without its port and without one dot at its end, which DNS allows.
        An IPv6 address is in brackets, in its shortest form.
    """
    if host.startswith("["):
        address = host[1 : host.find("]")]
        try:
            return f"[{ipaddress.IPv6Address(address)}]"
        except ValueError:  # an address of a later version
            return f"[{address.lower()}]"
    return host.partition(":")[0].removesuffix(".").lower()
