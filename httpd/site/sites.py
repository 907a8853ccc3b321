"""The sites of a gateway: from the name of a host to the site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakValueDictionary

from httpd.files.docroot import Docroot
from httpd.files.file_cache import CachedFile, FileCache
from httpd.files.hidden import HiddenNames
from httpd.files.valid_roots import ValidRoots
from httpd.protocol.host import host_name, is_own_name
from httpd.protocol.tally import NO_NAME, Tallies
from httpd.site.names import NameTable, is_directory_name
from httpd.site.no_site import NoSite
from httpd.site.settings import SiteSettings
from httpd.site.shared import Shared
from httpd.site.site import Compiled, Identity, Site, compile_settings
from httpd.site.sites_syntax import STAR, NamedSite

AnySite = Site | NoSite
_UNKNOWN = 421, "This server has no site of this name."
_NOT_OWN = (
    421,
    "A preview is found by the names and addresses of its machine, such as localhost. Without a"
    " preview, phttpd --base DIR serves every name.",
)
_NO_DIRECTORY = 404, "There is nothing at this address."
_DEFAULT = -1
"""In place of the number of a named site: that for all other names."""


def make_docroot(
    settings: SiteSettings, valid_roots: ValidRoots, outer: Docroot | None = None
) -> Docroot:
    """Return the docroot of a site; the arguments are those of `Docroot`."""
    return Docroot(
        settings.docroot,
        settings.index,
        valid_roots,
        outer,
        HiddenNames(settings.serve_hidden),
        valid_roots.link_targets(settings.symlinks),
    )


def number_of(key: bytes) -> int | None:
    """Return the number of the named site that a key is of; None for the site of all other names.

    Args:
        key: of a `Site`.
    """
    return int(key.partition(b".")[0]) if key else None


class Sites:
    """All sites of a gateway.

    A site that has a name is made when it is first asked for.  A docroot with a star makes a site
    for each name, which lasts as long as anything refers to it, such as a cached header section: so
    clients cannot fill the memory with names.

    Args:
        top: the settings for all other names; its docroot is empty if no site is for them.
        named: the sites that have names.
        file_cache: of the worker.
        listing_budget: see `Shared`.
        tallies: of the worker.

    Attributes:
        only: the site for every name; None if the name decides.
        invalidate_roots: see `ValidRoots.invalidate`.
    """

    def __init__(
        self,
        top: SiteSettings,
        named: Sequence[NamedSite],
        file_cache: FileCache,
        listing_budget: int,
        tallies: Tallies,
    ) -> None:
        self._top = top
        self._named = named
        self._file_cache = file_cache
        self._shared = Shared(file_cache, listing_budget, tallies)
        self.invalidate_roots = self._shared.valid_roots.invalidate
        self._table = NameTable(
            {name: number for number, site in enumerate(named) for name in site.names}
        )
        self._made: dict[bytes, Site] = {}
        self._of_stars: WeakValueDictionary[bytes, Site] = WeakValueDictionary()
        self._outer: dict[int, Docroot] = {}
        self._compiled: dict[int, Compiled] = {}
        self.only: Site | None = None
        self._default: AnySite = NoSite(*_UNKNOWN, tallies.find(NO_NAME))
        if top.docroot:
            docroot = make_docroot(top, self._shared.valid_roots)
            site = self._make(_DEFAULT, top, docroot, Identity(label=top.docroot))
            self._default = self._made[site.key] = site
            self.only = None if named or top.own_names is not None else site
        self._own_names = top.own_names
        self._not_own = NoSite(*_NOT_OWN, tallies.find(NO_NAME))

    def find(self, host: str | None) -> AnySite:
        """Return the site of a name.

        Args:
            host: a valid Host or authority; None or empty if the request has none.
        """
        name = host_name(host) if host else ""
        match = self._table.find(name)
        if match is None:
            own = self._own_names
            is_served = own is None or not host or is_own_name(name, own)
            return self._default if is_served else self._not_own
        number, star = match
        if star and self._named[number].docroot.endswith(f"/{STAR}"):
            return self._find_of_star(number, star, name)
        key = b"%d" % number
        return self._made.get(key) or self._make_named(number, key)

    def of_file(self, cached: CachedFile) -> Site | None:
        """Return the site of a cached file, if it was made in this loop.

        Args:
            cached: a file that is in the file cache.
        """
        assert cached.path is not None
        key = cached.path.partition(b"/")[0]
        return self._made.get(key) or self._of_stars.get(key)

    # ---------------------------------------------------------------- making

    def _make_named(self, number: int, key: bytes) -> Site:
        named = self._named[number]
        settings = named.settings(self._top)
        docroot = make_docroot(settings, self._shared.valid_roots)
        identity = Identity(key, named.name, named.label, named.name)
        site = self._made[key] = self._make(number, settings, docroot, identity)
        return site

    def _find_of_star(self, number: int, star: str, name: str) -> AnySite:
        """Return the site of one directory.

        Args:
            number: of the named site.
            star: what the star stands for.
            name: the name in the request.
        """
        named = self._named[number]
        if not is_directory_name(star):
            return NoSite(*_NO_DIRECTORY, self._shared.tallies.find(named.name))
        key = b"%d.%s" % (number, star.encode())
        if site := self._of_stars.get(key):
            return site
        settings = named.settings(self._top)
        around = settings.docroot.removesuffix(STAR)
        roots = self._shared.valid_roots
        outer = self._outer.get(number)
        if outer is None:
            outer = self._outer[number] = make_docroot(replace(settings, docroot=around), roots)
        settings = replace(settings, docroot=around + star)
        docroot = make_docroot(settings, roots, outer)
        identity = Identity(key, name, named.label, named.name)
        site = self._of_stars[key] = self._make(number, settings, docroot, identity)
        return site

    def _make(
        self, number: int, settings: SiteSettings, docroot: Docroot, identity: Identity
    ) -> Site:
        if number not in self._compiled:
            self._compiled[number] = compile_settings(settings)
        return Site(settings, self._compiled[number], docroot, self._shared, identity)

    # ---------------------------------------------------------------- time

    def begin_second(self, second: int, date: int) -> None:
        """Begin a second: every cached file is validated again before its next use.

        Args:
            second: of the monotonic clock.
            date: seconds since the epoch.
        """
        self._shared.begin_second(second, date)
        self._file_cache.begin_second(second)
        for site in (*self._made.values(), *self._of_stars.values()):
            site.begin_second(second, date)

    def release(self) -> None:
        """Close the files that no client is being sent, and all directories."""
        self._file_cache.clear()
        self._shared.listings.begin_second()
        self._shared.valid_roots.release()
        for site in (*self._made.values(), *self._of_stars.values()):
            site.release()

    def take_faults(self) -> dict[str, OSError]:
        """Return why docroots could not be read for requests since the last call, by label."""
        faults, self._shared.faults = self._shared.faults, {}
        return faults
