"""Faults for a server under test; its interpreter imports this file at the start.

The file that `PHTTPD_TEST_FAULTS` names has an order a line, as long as it exists:

* ``raise EVENT TEXT``: an audit event (docs.python.org, “Audit events table”) with TEXT in its
  first argument raises RuntimeError.
* ``say BYTES``: a worker that boots sends these bytes, in hexadecimal, on the channel to the
  supervisor, with a descriptor, and then waits.
* ``hang-up``: a worker that boots closes that channel, and then waits.

Every import is noted in the file that `PHTTPD_TEST_IMPORTS` names.  A new supervisor that takes the
place of a running one waits for the end of the FIFO that `PHTTPD_TEST_GATE` names.
"""

from __future__ import annotations

import array
import os
import signal
import socket
import sys
from typing import Any, NoReturn

FAULTS = os.environ.get("PHTTPD_TEST_FAULTS")
IMPORTS = os.environ.get("PHTTPD_TEST_IMPORTS")
GATE = os.environ.get("PHTTPD_TEST_GATE")

EVENTS = ("import", "open", "os.fork", "os.scandir", "socket.bind")
_is_looking = False


def hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Look at an event, unless this function caused it."""
    global _is_looking  # noqa: PLW0603
    if event not in EVENTS or _is_looking:
        return
    _is_looking = True
    try:
        look(event, arguments)
    finally:
        _is_looking = False


def look(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "import" and IMPORTS:
        with open(IMPORTS, "a") as file:
            file.write(f"{arguments[0]}\n")
    if FAULTS and os.path.exists(FAULTS):
        with open(FAULTS) as file:
            orders = [line.split() for line in file]
        for word, *rest in orders:
            if word != "raise" and event == "os.scandir":
                be_hostile(word, rest)
            if word == "raise" and rest[0] == event and " ".join(rest[1:]) in str(arguments[:1]):
                raise RuntimeError(f"fault in {event}")


def be_hostile(word: str, arguments: list[str]) -> NoReturn:
    """Do what a worker may do that an attacker controls."""
    fd, end = find_channel()
    if word == "say":
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))
        end.sendmsg([bytes.fromhex("".join(arguments))], [rights])
    else:
        end.close()
        os.close(fd)
    while True:
        signal.pause()


def find_channel() -> tuple[int, socket.socket]:
    """Return the worker's end of the channel to the supervisor: the only socket of its kind."""
    for name in os.listdir("/proc/self/fd"):
        try:
            end = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        if end.family == socket.AF_UNIX and end.type == socket.SOCK_SEQPACKET:
            return int(name), end
        end.close()
    raise AssertionError("no channel to the supervisor")


if GATE and "PHTTPD_UPGRADE" in os.environ:
    with open(GATE, "rb") as gate:
        gate.read()
if FAULTS or IMPORTS:
    sys.addaudithook(hook)
