"""Writes the transfers of a loop to the transfer table, while another process watches.

Called by `httpd.network.download` for each download that begins and ends, and once a second by
`httpd.network.loop`.  While no process watches, a download only enters and leaves a dict.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from httpd.gateway.interface import AnyGateway
from httpd.network.transport import Transport
from httpd.observe.transfers import State, Transfer, TransferWriter, checksum
from httpd.protocol.extent import find_extent
from httpd.protocol.messages import HTTPError
from httpd.protocol.parser import VERSION
from httpd.protocol.response import Response
from httpd.protocol.target import decode_path

_NO_SLOT = -1


class Origin(NamedTuple):
    """Where a response comes from.

    Args:
        gateway: has made the response.
        head: of the request; empty where it was not kept.
        started: when the request began to arrive, by the monotonic clock.
    """

    gateway: AnyGateway
    head: bytes
    started: float


class Running(Protocol):
    """A download, as far as its record needs it."""

    @property
    def response(self) -> Response:
        """What is sent."""

    @property
    def transport(self) -> Transport:
        """To the client."""

    @property
    def origin(self) -> Origin:
        """Where the response comes from."""

    def unsent(self) -> int:
        """Return the bytes that are still to be sent."""


class Recorder:
    """Knows the running downloads of a loop.

    Args:
        writer: of the loop; None for a loop without a transfer table.
    """

    def __init__(self, writer: TransferWriter | None) -> None:
        self._writer = writer
        self._is_watched = False
        self._second = -1
        self._slots: dict[Running, int] = {}
        """The downloads, and where their records are."""
        self._numbers: dict[Running, int] = {}
        """The numbers of the downloads that have had a record."""
        self._acknowledged: list[int] = []
        """The bytes that each slot was last given."""

    def begin(self, download: Running) -> None:
        """Remember a download that begins."""
        self._slots[download] = _NO_SLOT

    def end(self, download: Running, now: float) -> None:
        """Forget a download that has ended, whose connection is still open.

        Args:
            download: the download.
            now: the monotonic clock, in seconds.
        """
        slot = self._slots.pop(download)
        number = self._numbers.pop(download, 0)
        if self._is_watched and self._writer is not None:
            if slot == _NO_SLOT:
                slot = self._add(self._writer, download, number)
                if slot == _NO_SLOT:
                    return
            is_sent = not download.unsent()
            size = _size(download.response) if is_sent else self._count(download, slot)
            state = State.SENT if is_sent else State.CUT
            self._writer.end(slot, size, now, state)

    def tick(self, now: float) -> None:
        """Write the records, once in a second at the most.

        Args:
            now: the monotonic clock, in seconds.
        """
        writer, second = self._writer, int(now)
        if writer is None or second == self._second:
            return
        self._second = second
        was_watched, self._is_watched = self._is_watched, writer.is_watched(now)
        if self._is_watched:
            self._write(writer, now)
        elif was_watched:
            writer.clear()
            self._slots = dict.fromkeys(self._slots, _NO_SLOT)

    def _write(self, writer: TransferWriter, now: float) -> None:
        known = self._acknowledged
        new = [download for download, slot in self._slots.items() if slot == _NO_SLOT]
        for download in new:
            number = self._numbers.get(download) or writer.take_number()
            slot = self._slots[download] = self._add(writer, download, number)
            if slot != _NO_SLOT:
                self._numbers[download] = number
        for download, slot in self._slots.items():
            if slot == _NO_SLOT:
                continue
            acknowledged = (
                _size(download.response)
                - download.unsent()
                - download.transport.count_unacknowledged()
            )
            if acknowledged > known[slot]:
                known[slot] = acknowledged
                writer.update(slot, acknowledged, now)
        writer.publish(now)

    def _count(self, download: Running, slot: int) -> int:
        """Return the bytes of the body that the client has acknowledged."""
        size = _size(download.response) - download.unsent()
        return max(self._acknowledged[slot], size - download.transport.count_unacknowledged())

    def _add(self, writer: TransferWriter, download: Running, number: int) -> int:
        """Write the record of a new download, and return its slot.

        Only what a download tool asks for gets one: a file, or a part of it.

        Args:
            writer: of the loop.
            download: the download.
            number: that it had in an earlier record, so that a watcher knows it again; or 0.
        """
        if download.response.status not in (200, 206) or not download.origin.head:
            return _NO_SLOT
        slot = writer.add(_describe(download)._replace(number=number))
        if slot is None:
            return _NO_SLOT
        known = self._acknowledged
        known.extend([0] * (slot + 1 - len(known)))
        known[slot] = 0
        return slot


def _size(response: Response) -> int:
    """Return the bytes of a body, whether or not it is joined to the head."""
    return response.after_head or len(response.body.content)


def _describe(download: Running) -> Transfer:
    path, site = _find_names(download.origin)
    extent = find_extent(download.response)
    return Transfer(
        client=download.transport.peer[0].encode(),
        user=b"",
        site=site.encode(),
        path=path,
        path_check=checksum(path),
        etag=checksum(extent.validator),
        status=download.response.status,
        size=extent.size,
        ranges=extent.ranges,
        started=download.origin.started,
        changed=download.origin.started,
    )


def _find_names(origin: Origin) -> tuple[bytes, str]:
    """Return the path of a request, decoded, and the name of its site."""
    try:
        request = origin.gateway.parse(origin.head)
        return decode_path(request.path), request.header.site.name
    except HTTPError:  # not of a request that got content
        return origin.head.partition(VERSION)[0].partition(b" ")[2], ""
