"""Which names are kept from clients: those that begin with a dot, unless they are to be served."""

from __future__ import annotations

import os
from collections.abc import Collection
from itertools import count


class HiddenNames:
    """The names that a site keeps from clients.

    That is each name with a leading dot, except ``.well-known`` at the root, which RFC 8615
    reserves for public use, and those that the operator serves.

    Args:
        served: names with a leading dot that are not hidden, in whatever directory; or whether no
            name is hidden.
    """

    __slots__ = ("_is_off", "_served")

    def __init__(self, served: bool | Collection[str] = False) -> None:
        self._is_off = served is True
        names = () if isinstance(served, bool) else served
        self._served = frozenset(map(os.fsencode, names))

    def has(self, name: bytes, depth: int) -> bool:
        """Tell whether a name is hidden.

        Args:
            name: the name of a file or directory.
            depth: the number of directories between the docroot and the name.
        """
        return (
            name.startswith(b".")
            and (name != b".well-known" or depth > 0)
            and name not in self._served
            and not self._is_off
        )

    def has_any(self, path: bytes) -> bool:
        """Tell whether a name of a decoded path is hidden.

        Args:
            path: a path that begins with a slash, see `httpd.protocol.target.decode_path`.
        """
        return path.find(b"/.") >= 0 and any(map(self.has, path[1:].split(b"/"), count()))

    def has_target(self, path: bytes) -> bool:
        """Tell whether a link to a file must not be followed since a name of the file is hidden.

        A name with two leading dots is none of them: Kubernetes mounts a volume so that all its
        names are links into a directory called ``..data``.

        Args:
            path: the real path of the file, relative to the docroot.
        """
        return any(
            self.has(name, depth) and not name.startswith(b"..")
            for depth, name in enumerate(path.split(b"/"))
        )


USUAL = HiddenNames()
"""Those of a site for which the operator has set nothing."""
