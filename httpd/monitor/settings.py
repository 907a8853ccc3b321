"""The settings of the monitor: where it listens, for whom, and what it logs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from httpd.network.hosts import UnixAddress, is_address_or_name, read_socket_path
from httpd.settings.declaration import key
from httpd.settings.kinds import Kind
from httpd.settings.networks import NETWORKS, Network
from httpd.settings.system_kinds import PATH

_UNIX_MODE = 0o660
"""The owner and the group of the socket may read the addresses of clients and the paths of files.
"""
_ALLOWED = (
    "the absolute path of a Unix socket, or an address and a port such as 127.0.0.1:9180 or"
    " [::1]:9180"
)
_HOST = r"\*|[0-9A-Za-z._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]"
_PORT = "[0-9]{1,5}"
_MAX_PORT = 65535


class TcpAddress(NamedTuple):
    """An address or a name of this machine, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Address = TcpAddress | UnixAddress


def _read_address(value: Any) -> Address:
    if not isinstance(value, str):
        raise ValueError(_ALLOWED)
    if value.startswith(("/", "@", "\0")):
        return UnixAddress(unix=read_socket_path(value), mode=_UNIX_MODE)
    match = re.fullmatch(f"({_HOST}):({_PORT})", value)
    host = match[1].strip("[]") if match else ""
    if not match or int(match[2]) > _MAX_PORT or not is_address_or_name(host):
        raise ValueError(_ALLOWED)
    return TcpAddress(host, int(match[2]))


_TEXT = {"type": "string", "pattern": f"^(/.*|({_HOST}):{_PORT})$"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSettings:
    """The settings of the monitor."""

    monitor: Address | None = key(
        Kind(_ALLOWED, _read_address, _TEXT),
        None,
        "Where a process beside the workers shows what the server is doing, as a page, as JSON and"
        " for Prometheus: a Unix socket such as `/run/phttpd/monitor.sock`, or an address and a"
        " port of its own such as `127.0.0.1:9180`.",
        details="The Unix socket has the mode 0660. A monitor that ends is started again, and no"
        " request to a site depends on it.",
    )
    monitor_clients: tuple[Network, ...] = key(
        NETWORKS,
        [],
        "The networks whose clients the monitor serves, beside this machine. Without any, the"
        " monitor listens at a loopback address or a Unix socket only.",
    )
    downloads_log: str | None = key(
        PATH,
        None,
        "A file with a line of JSON for each download that is over: it was completed, was abandoned"
        " for an hour, or was replaced by one of another version of the file. It needs `monitor`,"
        " whose process writes it.",
        details="SIGUSR1 reopens the file.",
    )
