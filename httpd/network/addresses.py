"""The addresses of this machine, as people type them into a browser.

Called by `httpd.cli`.
"""

from __future__ import annotations

import fcntl
import re
import socket
import struct
from collections.abc import Collection, Sequence

_SIOCGIFFLAGS, _SIOCGIFADDR = 0x8913, 0x8915  # netdevice(7)
_UP_AND_RUNNING = 0x1 | 0x40
_GLOBAL_SCOPE = 0x00
_DEPRECATED_OR_TENTATIVE = 0x20 | 0x40  # IFA_F_… of linux/if_addr.h
_LOOPBACK = ("127.0.0.1", "[::1]")
_URL = re.compile(r"http://(\*|\[[^\]]+\]|[^:/]+):([0-9]+)/")


def visible_urls(urls: Collection[str], machine: Sequence[str]) -> list[str]:
    """Return the URLs at which a browser finds a server.

    A wildcard stands for all addresses of this machine, and both loopback addresses together are
    called localhost.

    Args:
        urls: of the listeners, as `httpd.network.listener.format_url` makes them.
        machine: addresses of this machine, without loopback.
    """
    found: list[str] = []
    for url in urls:
        match = _URL.fullmatch(url)
        if not match:
            found.append(url)  # unix:
            continue
        host, port = match[1], "" if match[2] == "80" else f":{match[2]}"
        loopback = {f"http://{name}:{match[2]}/" for name in _LOOPBACK}
        is_pair = url in loopback and loopback <= {*urls}
        names = ["localhost"] if is_pair else _names(host, machine)
        found += [f"http://{name}{port}/" for name in names]
    return list(dict.fromkeys(found))


def _names(host: str, machine: Sequence[str]) -> list[str]:
    if host not in ("*", "[::]", "0.0.0.0"):
        return [host]
    six = [f"[{address}]" for address in machine if ":" in address]
    four = [address for address in machine if ":" not in address]
    chosen = {"*": four + six, "[::]": six, "0.0.0.0": four}[host]
    return ["localhost", *chosen]


def machine_addresses() -> list[str]:
    """Return the addresses of the interfaces that are up, IPv4 first, without loopback and
    link-local ones.
    """
    return [*_ipv4_addresses(), *_ipv6_addresses()]


def _ipv4_addresses() -> list[str]:
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("16s24x", name.encode())
            try:
                flags = fcntl.ioctl(probe, _SIOCGIFFLAGS, request)
                address = fcntl.ioctl(probe, _SIOCGIFADDR, request)
            except OSError:
                continue  # without an IPv4 address
            if struct.unpack_from("H", flags, 16)[0] & _UP_AND_RUNNING == _UP_AND_RUNNING:
                found.append(socket.inet_ntoa(address[20:24]))
    return [address for address in found if not address.startswith("127.")]


def _ipv6_addresses() -> list[str]:
    try:
        with open("/proc/net/if_inet6") as table:
            rows = [line.split() for line in table]
    except OSError:
        return []
    return [
        socket.inet_ntop(socket.AF_INET6, bytes.fromhex(address))
        for address, _, _, scope, flags, _ in rows
        if int(scope, 16) == _GLOBAL_SCOPE and not int(flags, 16) & _DEPRECATED_OR_TENTATIVE
    ]
