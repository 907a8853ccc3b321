"""The name of a host, as a Host field or the authority of an absolute target has it.

`is_own_name` is the defence against DNS rebinding: a web page of an attacker comes from a name of
the attacker, whose address is changed to that of the server, so that the page may read what the
server sends to this browser.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection


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


def is_own_name(name: str, own: Collection[str]) -> bool:
    """Tell whether a name leads to a server without a record of DNS that an attacker may change.

    Args:
        name: the result of `host_name`.
        own: the names of the server, in lower case.

    Returns:
        Whether it is an IP address, one of these names, or one that always means the machine that
        looks it up.
    """
    return name in own or names_this_machine(name) or is_address(name.strip("[]"))


def names_this_machine(host: str) -> bool:
    """Tell whether a host name always means the machine that looks it up (RFC 6761 §6.3)."""
    return host.lower() == "localhost" or host.lower().endswith(".localhost")


def is_address(text: str) -> bool:
    """Tell whether a text is an IP address, without brackets."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
