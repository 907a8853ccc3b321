"""Which names are kept from clients: those that begin with a dot."""

from __future__ import annotations

from itertools import count


def is_hidden(name: bytes, depth: int) -> bool:
    """Tell whether a name is kept from clients.

    That is each name with a leading dot, except ``.well-known`` at the root, which RFC 8615
    reserves for public use.

    Args:
        name: the name of a file or directory.
        depth: the number of directories between the docroot and the name.
    """
    return name.startswith(b".") and (name != b".well-known" or depth > 0)


def has_hidden_name(path: bytes) -> bool:
    """Tell whether a name of a decoded path is hidden.

    Args:
        path: a path that begins with a slash, see `httpd.protocol.target.decode_path`.
    """
    return path.find(b"/.") >= 0 and any(map(is_hidden, path[1:].split(b"/"), count()))


def is_hidden_target(path: bytes) -> bool:
    """Tell whether a link to a file must not be followed since a name of the file is hidden.

    A name with two leading dots is none of them: Kubernetes mounts a volume so that all its names
    are links into a directory called ``..data``.

    Args:
        path: the real path of the file, relative to the docroot.
    """
    return any(
        is_hidden(name, depth) and not name.startswith(b"..")
        for depth, name in enumerate(path.split(b"/"))
    )
