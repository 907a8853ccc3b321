"""The role of a listener: the sites that its clients get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from httpd.gateway.settings import GatewaySettings
from httpd.site.settings import SiteSettings


@dataclass(frozen=True, slots=True)
class Frontend:
    """The role of a listener.

    A response is a function of the frontend, the head of the request and the disk within a second.
    So each loop has a gateway for each frontend, and no cache is shared by two of them.

    Args:
        site: the site for names that no other site has; none if its docroot is empty.
        gateway: the other sites, and what all of them share.
    """

    site: SiteSettings
    gateway: GatewaySettings

    @property
    def sites(self) -> Mapping[str, SiteSettings]:
        """The settings of each site, by what messages call its docroot."""
        named = {site.label: site.settings(self.site) for site in self.gateway.sites}
        return {self.site.docroot: self.site, **named} if self.site.docroot else named

    @property
    def docroots(self) -> Mapping[str, str]:
        """The docroots, by what messages call them; the last name of one may be a star."""
        return {label: site.docroot for label, site in self.sites.items()}

    @property
    def link_targets(self) -> tuple[str, ...]:
        """The directories that links may lead to out of the docroots, each once."""
        return tuple(dict.fromkeys(path for site in self.sites.values() for path in site.symlinks))
