"""What the system may say instead of opening a file, and what the client and the operator are told.

A file that does not exist or may not be read is an ordinary outcome of a request: an `HTTPError`.
A disk that fails, or a process without free descriptors, is a fault of the server.  Such a fault is
a `FileSystemError`, which no `except HTTPError` catches by mistake: the owner of the loop logs it.
"""

from __future__ import annotations

import errno
import os

from httpd.protocol.messages import HTTPError

MISSING = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL}
    | {errno.EISDIR, errno.ESPIPE, errno.ENXIO}  # something else replaced the regular file
)
"""Error numbers that mean that a name leads to no regular file or directory."""
FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
"""Error numbers that mean that the server is not allowed to read what is there."""
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Error numbers that mean that descriptors or memory have run out."""


class FileSystemError(Exception):
    """The system does not give a file that may well be there.

    Args:
        reason: what the error number means, for the log.
        http_error: what the client gets.
    """

    def __init__(self, reason: str, http_error: HTTPError) -> None:
        super().__init__(reason)
        self.reason = reason
        self.http_error = http_error


class OutOfDescriptorsError(FileSystemError):
    """Descriptors or memory have run out; the call may succeed once some have been freed.

    Args:
        number: the error number of the call that failed.
    """

    def __init__(self, number: int) -> None:
        reason = os.strerror(number)
        short = "has no memory left" if number == errno.ENOMEM else "has too many open files"
        retry = (("Retry-After", "1"),)
        super().__init__(reason, HTTPError(503, f"The server {short}.", retry, reason))


class UnreadableError(FileSystemError):
    """The disk or its file system fails to deliver a file that exists.

    Args:
        number: the error number of the call that failed.
    """

    def __init__(self, number: int) -> None:
        reason = os.strerror(number)
        super().__init__(reason, HTTPError(500, f"This file cannot be read: {reason}.", (), reason))


class NoDocrootError(HTTPError):
    """The docroot does not exist or may not be entered.

    That may change in a moment: a file system is mounted late, or a new version of the site is
    being put in place.

    Args:
        fault: the error of the call that failed, for the log.
    """

    def __init__(self, fault: OSError) -> None:
        text = "The files of this server are not available at the moment."
        super().__init__(503, text, (("Retry-After", "5"),))
        self.fault = fault


def not_found() -> HTTPError:
    """Return the error for a path that leads to nothing, or to something that is kept secret."""
    return HTTPError(404, "There is nothing at this address.")


def explain(error: OSError) -> HTTPError | FileSystemError:
    """Return the exception to raise for an error of opening or reading a file."""
    if error.errno in MISSING:
        return not_found()
    if error.errno in FORBIDDEN:
        return HTTPError(403, "The server is not allowed to read this file.")
    if error.errno in EXHAUSTED:
        return OutOfDescriptorsError(error.errno)
    if error.errno == errno.EWOULDBLOCK:
        return HTTPError(503, "Another program has locked this file.", (("Retry-After", "1"),))
    return UnreadableError(error.errno or errno.EIO)


NOT_YET = "requests are answered 503 until it can"
"""What a server does without a docroot, for a message."""


NO_TARGET = "links into it are answered 404 until it can"
"""What a server does without a directory that links may lead to, for a message."""


def find_fault(docroot: str) -> OSError | None:
    """Return why this process cannot read a docroot, or None if it can.

    Args:
        docroot: an absolute path.  If its last name is a star, which stands for any name, the
            directory around it need not be readable but for those who know a name.
    """
    around = docroot.removesuffix("*")
    try:
        if around == docroot:
            with os.scandir(docroot):
                pass
    except OSError as error:
        return error
    return find_target_fault(around)  # scandir needs only read permission


def find_target_fault(directory: str) -> OSError | None:
    """Return why this process cannot enter a directory that links may lead to, or None if it can.

    Args:
        directory: an absolute path.
    """
    try:
        os.stat(os.path.join(directory, "."))  # needs search permission
    except OSError as error:
        return error
    return None


def describe_fault(docroot: str, fault: OSError) -> str:
    """Return a message about what `find_fault` has found."""
    return f"the docroot {docroot} cannot be read: {fault.strerror}"


def describe_target_fault(directory: str, fault: OSError) -> str:
    """Return a message about what `find_target_fault` has found."""
    return f"symbolic links may lead to {directory}, which cannot be entered: {fault.strerror}"
