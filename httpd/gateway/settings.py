"""The settings of a gateway: the sites that have names, and what all sites share."""

from __future__ import annotations

from dataclasses import dataclass

from httpd.settings.declaration import key
from httpd.settings.kinds import FLAG, or_auto, size
from httpd.settings.machine import share_memory
from httpd.site.sites_syntax import OTHER_KEYS, SITES, NamedSite

_MAX_CACHE = 64 * 1024**3
_CACHE = or_auto(size(0, _MAX_CACHE), share_memory, _MAX_CACHE)
_OTHERS = ", ".join(f"`{name}`" for name in OTHER_KEYS)
_SITES_EXAMPLE = """\
- name: [course.example, www.course.example]
  docroot: /srv/course
  listing: true
- name: "*.students.example"
  docroot: /srv/students/*
  expires: 0"""


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
