"""The role of a listener: the site that its clients get."""

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
        site: the site to serve, over plain HTTP.
    """

    site: SiteSettings
