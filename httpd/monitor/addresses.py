"""Where the monitor listens, and who can connect there."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from httpd.monitor.settings import Address, MonitorSettings, TcpAddress
from httpd.network.hosts import UnixAddress
from httpd.network.settings import ListenSettings
from httpd.protocol.host import names_this_machine

_BACKLOG = 128


def to_listen(address: Address) -> ListenSettings:
    """Return the settings of the listening sockets for an address."""
    if isinstance(address, UnixAddress):
        return ListenSettings(host=(address,), backlog=_BACKLOG)
    return ListenSettings(host=(address.host,), port=address.port, backlog=_BACKLOG)


def is_local(address: Address) -> bool:
    """Tell whether only this machine can connect to an address."""
    if isinstance(address, UnixAddress):
        return True
    try:
        return ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        return names_this_machine(address.host)


def find_faults(
    settings: MonitorSettings, sites: ListenSettings, places: Mapping[str, str]
) -> Sequence[str]:
    """Return what is wrong with settings that are right each by itself.

    Args:
        settings: of the monitor.
        sites: where the sites are served.
        places: where each setting stands, by key.
    """
    address, place = settings.monitor, places.get("monitor", "monitor")
    if address is None and settings.downloads_log is not None:
        place = places.get("downloads_log", "downloads_log")
        return [f"{place}: the monitor writes this file; set monitor as well"]
    if isinstance(address, TcpAddress):
        if address.port == sites.port != 0 and sites.names:
            return [f"{place}: {address} has the port of the sites; give the monitor its own"]
        if not is_local(address) and not settings.monitor_clients:
            why = "can be reached from other machines; name those that may read it"
            return [f"{place}: {address} {why} in monitor_clients"]
    if isinstance(address, UnixAddress) and address.unix in {
        one.unix for one in sites.unix_addresses
    }:
        return [f"{place}: {address.unix} is a socket of the sites; give the monitor its own"]
    return []
