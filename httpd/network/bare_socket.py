"""System calls on a socket of which only the descriptor is known.

`os` lacks these calls.  A socket object around the descriptor has them, but making one takes a
system call more (getsockname(2)) and longer than the call itself.  None of them waits, as the
sockets do not block, so they keep the GIL.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct

_libc = ctypes.PyDLL(None, use_errno=True)
_send = _libc.send
_send.restype = ctypes.c_ssize_t  # argtypes would only cost time: what is passed are int and bytes
_setsockopt = _libc.setsockopt
_getsockopt = _libc.getsockopt
_shutdown = _libc.shutdown
_INT = struct.Struct("@i")


def send_more(fd: int, data: bytes) -> int:
    """Send data that more data will follow at once (MSG_MORE of send(2)).

    Returns:
        The bytes that were sent.

    Raises:
        OSError: of the socket.
    """
    sent: int = _send(fd, data, len(data), socket.MSG_MORE)
    return sent if sent >= 0 else _fail()


def set_tcp_option(fd: int, option: int, value: int) -> None:
    """Set an option of tcp(7) that is a number.

    Raises:
        OSError: no TCP socket, for example.
    """
    if _setsockopt(fd, socket.IPPROTO_TCP, option, _INT.pack(value), _INT.size) < 0:
        _fail()


def tcp_option(fd: int, option: int) -> int:
    """Return an option of tcp(7) that is a number.

    Raises:
        OSError: no TCP socket, for example.
    """
    value, size = ctypes.c_int(), ctypes.c_uint(_INT.size)
    if _getsockopt(fd, socket.IPPROTO_TCP, option, ctypes.byref(value), ctypes.byref(size)) < 0:
        _fail()
    return value.value


def end_sending(fd: int) -> None:
    """Tell the peer that nothing more comes (SHUT_WR of shutdown(2)).

    Raises:
        OSError: of the socket.
    """
    if _shutdown(fd, socket.SHUT_WR) < 0:
        _fail()


def _fail() -> int:
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code))
