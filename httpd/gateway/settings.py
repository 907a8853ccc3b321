"""The settings of a gateway: the sites that have names, and what all sites share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from httpd.settings.declaration import key
from httpd.settings.kinds import FLAG, Kind, or_auto, size
from httpd.settings.machine import share_memory
from httpd.site.sites_syntax import OTHER_KEYS, SITES, NamedSite

_MAX_CACHE = 64 * 1024**3
_CACHE = or_auto(size(0, _MAX_CACHE), share_memory, _MAX_CACHE)
_HEALTH_PATH = "/[A-Za-z0-9._~/-]{1,200}"
_HEALTH_ALLOWED = "a path of letters, digits and -._~/, such as /readyz"
_OTHERS = ", ".join(f"`{name}`" for name in OTHER_KEYS)
_SITES_EXAMPLE = """\
- name: [course.example, www.course.example]
  docroot: /srv/course
  listing: true
- name: "*.students.example"
  docroot: /srv/students/*
  expires: 0"""


def _read_health(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_HEALTH_PATH, value):
        raise ValueError(_HEALTH_ALLOWED)
    return value


_HEALTH = Kind(_HEALTH_ALLOWED, _read_health, {"type": "string", "pattern": f"^{_HEALTH_PATH}$"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """The settings of a gateway: sizes in bytes."""

    sites: tuple[NamedSite, ...] = key(
        SITES,
        [],
        "Sites with names of their own, beside the one that the keys above describe: a list of"
        f" mappings. A site may also have {_OTHERS}; what it leaves out is as above."
        " The docroot above is for all other names. Without that, a request for another name is"
        " refused with 421.",
        example=_SITES_EXAMPLE,
    )
    health: str | None = key(
        _HEALTH,
        None,
        "A path such as `/readyz`, at which phttpd itself says to balancers whether it is ready:"
        " 200 if it is, 503 if it starts, drains, is paused or is unready. It is the same for each"
        " site.",
        details="A file of that path is not served. The requests are neither counted nor logged.",
    )
    server_version: bool = key(
        FLAG,
        True,
        "Whether the field `Server` of each response names the version of phttpd. Without the"
        " version, it is `phttpd`.",
    )
    cache: int = key(
        _CACHE,
        "auto",
        "Memory of the whole server for cached files and responses; each worker gets an equal part."
        " `auto` is a 32nd of the memory of the machine, or of the smallest memory limit of its"
        " control groups, cgroups(7), from 64MiB to 1GiB, and a quarter at most.",
        details="Responses that clients have not yet received count too, up to half of it. Beyond"
        " that, they are sent from their files.",
    )
