"""The role of a listener: what the clients that connect to it are served."""

from __future__ import annotations

from dataclasses import dataclass

from httpd.site.settings import SiteSettings


@dataclass(frozen=True, slots=True)
class Frontend:
    """The role of a listener.

    A response is a function of the frontend, the head of the request and the disk within a second.
    So each loop has a gateway for each frontend, and no cache is shared by two of them.
    The field Host has no effect: a site for another host would be chosen here.

    Args:
        site: what is served, over plain HTTP.
    """

    site: SiteSettings
