"""Error pages that the operator wrote: files below the docroot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from httpd.files.faults import FileSystemError
from httpd.files.media_types import MediaTypes, content_types
from httpd.files.open_file import OpenFile
from httpd.protocol.messages import HTTPError
from httpd.site.builder import ResponseBuilder, error_cacheability, to_lines
from httpd.site.named_file import NamedFile
from httpd.site.rules import PathPolicy
from httpd.site.settings import SiteSettings
from httpd.site.steps import Found


class CustomErrors:
    """Responds to errors with the operator's pages, each of which is looked up once a second.

    Args:
        pages: the statuses, and the files as `SiteSettings.errors` has them.
        find: of the site.
        content_types: see `httpd.files.media_types.content_types`.
    """

    __slots__ = ("_content_types", "_files", "_pages")

    def __init__(
        self,
        pages: Sequence[tuple[int, str]],
        find: Callable[[bytes], Found],
        content_types: Mapping[str, str],
    ) -> None:
        self._files = {status: NamedFile(name, find) for status, name in pages}
        self._content_types = content_types
        self._pages: dict[int, OpenFile | None] = {}

    def begin_second(self) -> None:
        """Look the pages up again before their next use."""
        self._pages.clear()

    def respond(self, error: HTTPError, policy: PathPolicy) -> ResponseBuilder | None:
        """Return the page for an error; None where the built-in page is to be sent.

        Neither conditions nor ranges apply to the page: it is no representation of what was
        requested.

        Args:
            error: that a request ended in.
            policy: the rules for the path of the request.
        """
        status = error.status
        if status not in self._files:
            return None
        if status not in self._pages:
            self._pages[status] = _read(self._files[status])
        page = self._pages[status]
        if page is None:
            return None
        lines = (
            f"Content-Type: {self._content_types[page.media_type]}\r\nCache-Control: no-store\r\n"
        )
        return ResponseBuilder(
            status,
            lines + to_lines(error.fields),
            error_cacheability(status),
            policy.for_custom_page(),
            (range(page.size),),
            page,
        )


def make_custom_errors(
    settings: SiteSettings, find: Callable[[bytes], Found], types: MediaTypes
) -> CustomErrors | None:
    """Return the error pages of a site; None if no setting names any.

    Args:
        settings: of the site.
        find: of the site.
        types: of the site.
    """
    if not settings.errors:
        return None
    return CustomErrors(settings.errors, find, content_types(types, settings.charset))


def _read(file: NamedFile) -> OpenFile | None:
    """Return a page that is in memory; None for a large one, and one that cannot be read."""
    try:
        found = file.find()
    except (HTTPError, FileSystemError):
        return None
    if found is None or found[0].original.content is None:
        return None
    return found[0].original
