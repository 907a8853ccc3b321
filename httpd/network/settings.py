"""What the operator says about listening sockets and connections."""

from __future__ import annotations

from dataclasses import dataclass

from httpd.network.hosts import HOSTS, Host, UnixAddress
from httpd.settings.declaration import Option, key
from httpd.settings.kinds import FLAG, duration, size, whole
from httpd.settings.networks import NETWORKS, Network


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenSettings:
    """What the operator says about listening sockets."""

    host: tuple[Host, ...] = key(
        HOSTS,
        "*",
        'Where to listen: `"*"` for every address of this machine, IPv4 and IPv6; or an address or'
        " host name, such as `127.0.0.1`; or a Unix socket, such as"
        " `{unix: /run/phttpd/web.sock}`; or a list of these.",
        own_sockets=True,
        option=Option("address to listen on; may be repeated", "ADDR", is_repeatable=True),
    )
    port: int = key(
        whole(0, 65535),
        8080,
        "The TCP port. Ports below 1024 need root; 0 takes any free port.",
        own_sockets=True,
        option=Option("port to listen on, 0 for any free one", "N"),
    )
    backlog: int = key(
        whole(1, 65535),
        4096,
        "Connections that may wait in the kernel to be accepted (bounded by `net.core.somaxconn`).",
        own_sockets=True,
    )
    tcp_nodelay: bool = key(
        FLAG,
        True,
        "Whether the kernel sends the last bytes of a response at once (`TCP_NODELAY`). Otherwise,"
        " it waits until the client has acknowledged the bytes before them, which saves small"
        " segments and costs time.",
    )

    @property
    def names(self) -> list[str]:
        """The addresses and names of `host`, which `port` goes with."""
        return [host for host in self.host if isinstance(host, str)]

    @property
    def unix_addresses(self) -> list[UnixAddress]:
        """The Unix sockets of `host`."""
        return [host for host in self.host if isinstance(host, UnixAddress)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """What the operator says about connections: times in seconds, sizes in bytes."""

    recv: int = key(
        size(1, 16 * 1024**2),
        "64KiB",
        "How many bytes each recv(2) asks for. Any size works; the default is fast.",
        option=Option("bytes to ask for in each recv", "SIZE"),
    )
    keepalive_timeout: float = key(
        duration(0.1, 86400),
        "30s",
        "How long an idle connection stays open for another request.",
    )
    header_timeout: float = key(
        duration(0.1, 86400),
        "20s",
        "How long the head of a request may take to arrive, from its first byte to its last.",
    )
    send_timeout: float = key(
        duration(0.1, 86400),
        "60s",
        "Close a connection whose client accepts no data for this long.",
    )
    max_connections: int = key(
        whole(1, 1_000_000),
        16384,
        "Open connections of the whole server. Beyond that, a new connection closes an idle one, or"
        " is answered with 503 if there is none.",
    )
    max_body: int = key(
        size(0, 1024**3),
        "1MiB",
        "The largest request body that is read and discarded. A larger one is answered with 413.",
    )
    log_cache_level: bool = key(
        FLAG,
        False,
        "With `verbose`: log as well which level of the cache had each response, which costs as"
        " much as the line of the request.",
    )
    trace: tuple[Network, ...] = key(
        NETWORKS,
        [],
        "Networks or addresses for each of whose requests the log tells which response it got, and"
        " why: the level of the cache, the site, the redirect and rules by their lines, the file."
        " Other clients cost nothing more.",
        option=Option("log why these clients get what they get", "NETWORK", is_repeatable=True),
    )
