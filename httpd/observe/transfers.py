"""The transfer table: a record of each running transfer, in memory that all processes share.

A *transfer* is one response on its way to one client.  Each loop writes the records of its own
transfers, once a second, and only while another process watches: the watcher renews a cell with
the time of its last look.  A record is read whole or not at all, since its sequence number is odd
while it is written.  A transfer that has ended moves to the ring of its loop, where the next look
finds it.

The memory is sparse: a page of it takes memory from the first record on.  See
`httpd.observe.shared_memory`.
"""

from __future__ import annotations

import binascii
import enum
import mmap
import struct
from typing import NamedTuple

from httpd.observe.shared_memory import CELL, create_memory, find_kind, open_memory

MOST_RANGES = 4
"""Ranges of one response that a record has; further ones do not count as received."""
RING = 512
"""Transfers of a loop that have ended and are kept for the next look."""
WATCH_SECONDS = 5
"""How long after a look the loops go on writing records."""
_LEAST_SLOTS = 64
_MAGIC = 0x7068747470640101
_PAGE = 4096
_MOST_LOOPS = 256 * 256
_MOST_SLOTS = 1 << 24
_MOST_LOOKS = 1000
"""How often to read a record that is being written; a compromised worker can spoil it."""
NAME = "phttpd.transfers."
"""What the name of a table begins with; the number of the generation follows."""
_ALL = struct.Struct(f"=QQQQ QQQ IIHH4x {3 * MOST_RANGES}Q 48p 40p 64p 192p")
"""Sequence number; acknowledged, changed, state; number, started, size; etag, path_check, status
and number of ranges; the ranges; client, user, site and path."""
_FIGURES = struct.Struct("=QQQ")
_SIZE = _ALL.size
_TEXT_SIZES = (47, 39, 63, 191)
_MARK = "…".encode()
"""Stands in the middle of a text that was too long."""


class State(enum.IntEnum):
    """What has become of a transfer."""

    FREE = 0
    """The slot has no transfer."""
    RUNNING = 1
    SENT = 2
    """The kernel has accepted all of the response."""
    CUT = 3
    """The connection was closed before."""


class Transfer(NamedTuple):
    """A transfer as of the last tick of its loop.

    Args:
        client: address of the client, without the port.
        user: who has logged in; empty if no one has.
        site: name of the site; empty for the one of all other names.
        path: of the request; the middle of a long one is cut.
        path_check: a checksum of the whole path.
        etag: a checksum of the entity tag.
        status: 200 or 206.
        size: bytes of the representation, of which a part may be sent.
        ranges: what is sent, as triples of the place in the body, and of the first byte of the
            representation and the one after the last.
        started: when the request arrived, in seconds of the monotonic clock.
        acknowledged: bytes of the body that the client has acknowledged.
        changed: when that was last seen to change, by the same clock.
        state: never `State.FREE`.
        number: tells the transfers of a loop apart.
        loop: index of the loop in the scoreboard.
    """

    client: bytes
    user: bytes
    site: bytes
    path: bytes
    path_check: int
    etag: int
    status: int
    size: int
    ranges: tuple[tuple[int, int, int], ...]
    started: float
    acknowledged: int = 0
    changed: float = 0.0
    state: State = State.RUNNING
    number: int = 0
    loop: int = 0

    def received(self) -> list[range]:
        """Return the parts of the representation that the client has acknowledged."""
        parts = []
        for offset, start, stop in self.ranges:
            size = min(self.acknowledged - offset, stop - start)
            if size > 0:
                parts.append(range(start, start + size))
        return parts


class _Header(enum.IntEnum):
    MAGIC = 0
    LOOPS = 1
    THREADS = 2
    SLOTS = 3
    RING = 4
    RECORD_SIZE = 5
    WATCHED_AT = 6
    """Second of the monotonic clock of the last look."""


class _LoopCell(enum.IntEnum):
    USED = 0
    """Slots from the first to the last one in use."""
    NUMBER = 1
    """Transfers so far, which gives each its number."""
    ENDED = 2
    """Transfers that were written to the ring so far."""
    UPDATED_AT = 3
    """When the records were last written: microseconds of the monotonic clock."""


class TransferTable:
    """The records of all loops of a generation.

    The supervisor makes one with `create` before it forks; watchers use `read_all`.
    """

    def __init__(self, memory: mmap.mmap, generation: int) -> None:
        self.generation = generation
        self._memory = memory
        self._cells = cells = memoryview(memory).cast("Q")
        self.loops = cells[_Header.LOOPS]
        self.threads = cells[_Header.THREADS]
        self._slots = cells[_Header.SLOTS]

    @classmethod
    def create(
        cls, workers: int, threads: int, max_connections: int, generation: int
    ) -> TransferTable:
        """Make an empty table.

        Args:
            workers: number of worker processes.
            threads: number of loops in each.
            max_connections: of the whole server; a loop may have twice its share.
            generation: number of the generation.

        Raises:
            OSError: when there is no memory or descriptor for it.
        """
        loops = workers * threads
        slots = min(max_connections, _LEAST_SLOTS + 2 * -(-max_connections // loops))
        size = _loop_offset(loops, slots, loops)

        def fill(memory: mmap.mmap) -> None:
            with memoryview(memory).cast("Q") as header:
                header[_Header.MAGIC] = _MAGIC
                header[_Header.LOOPS] = loops
                header[_Header.THREADS] = threads
                header[_Header.SLOTS] = slots
                header[_Header.RING] = RING
                header[_Header.RECORD_SIZE] = _SIZE

        return cls(create_memory(f"{NAME}{generation}", size, fill), generation)

    def writer(self, loop: int) -> TransferWriter:
        """Return what a loop writes its records with.

        Args:
            loop: index of the loop in the scoreboard.
        """
        cells = self._cells[_loop_cells(loop) : _loop_cells(loop + 1)]
        return TransferWriter(
            self._memory,
            self._cells,
            cells,
            _loop_offset(self.loops, self._slots, loop),
            self._slots,
        )

    def forget_worker(self, worker: int) -> None:
        """Remove the records of a worker that has died.

        Args:
            worker: its index.
        """
        for loop in range(worker * self.threads, (worker + 1) * self.threads):
            self._cells[_loop_cells(loop) + _LoopCell.USED] = 0

    # ---------------------------------------------------------------- for watchers

    def watch(self, now: float) -> None:
        """Have the loops write their records for the next `WATCH_SECONDS`.

        Args:
            now: the monotonic clock, in seconds.
        """
        self._cells[_Header.WATCHED_AT] = int(now)

    def updated_at(self) -> list[float]:
        """Return for each loop when it last wrote its records, by the monotonic clock."""
        return [self._cell(loop, _LoopCell.UPDATED_AT) / 1e6 for loop in range(self.loops)]

    def running(self) -> list[Transfer]:
        """Return the transfers that were running at the last tick of their loops."""
        found = []
        for loop in range(self.loops):
            first = _loop_offset(self.loops, self._slots, loop)
            used = min(self._cell(loop, _LoopCell.USED), self._slots)
            for slot in range(used):
                transfer = self._read(first + slot * _SIZE, loop)
                if transfer is not None:
                    found.append(transfer)
        return found

    def ended_counts(self) -> list[int]:
        """Return how many transfers of each loop have ended, while a process was watching."""
        return [self._cell(loop, _LoopCell.ENDED) for loop in range(self.loops)]

    def ended_since(self, counts: list[int]) -> list[Transfer]:
        """Return the transfers that have ended since an earlier look.

        Args:
            counts: the result of `ended_counts` of that look; it is brought up to date.
        """
        found = []
        for loop in range(self.loops):
            now = self._cell(loop, _LoopCell.ENDED)
            first = _loop_offset(self.loops, self._slots, loop) + self._slots * _SIZE
            for number in range(max(counts[loop], now - RING), now):
                transfer = self._read(first + number % RING * _SIZE, loop)
                if transfer is not None:
                    found.append(transfer)
            counts[loop] = now
        return found

    def _cell(self, loop: int, cell: _LoopCell) -> int:
        return self._cells[_loop_cells(loop) + cell]

    def _read(self, offset: int, loop: int) -> Transfer | None:
        """Return the record at an offset, unless the slot is free."""
        cells, index = self._cells, offset // CELL
        for _ in range(_MOST_LOOKS):
            sequence = cells[index]
            if sequence % 2 == 0:
                record = self._memory[offset : offset + _SIZE]
                if cells[index] == sequence:
                    return _decode(record, loop)
        return None


class TransferWriter:
    """Writes the records of one loop.  Only this loop calls it.

    Args:
        memory: of the table.
        cells: the memory as numbers.
        own: the cells of the loop among them.
        offset: of the first record of the loop.
        slots: number of records before the ring.
    """

    def __init__(
        self, memory: mmap.mmap, cells: memoryview, own: memoryview, offset: int, slots: int
    ) -> None:
        self._memory = memory
        self._cells = cells
        self._own = own
        self._offset = offset
        self._slots = slots
        self._free: list[int] = []

    def is_watched(self, now: float) -> bool:
        """Tell whether another process has looked in the last `WATCH_SECONDS`."""
        return now - self._cells[_Header.WATCHED_AT] < WATCH_SECONDS

    def add(self, transfer: Transfer) -> int | None:
        """Give a transfer a slot, and return that; None if all slots are in use.

        A transfer without a number gets one, of `take_number`.
        """
        own = self._own
        if self._free:
            slot = self._free.pop()
        elif own[_LoopCell.USED] < self._slots:
            slot = own[_LoopCell.USED]
        else:
            return None
        self._write(slot, transfer, transfer.number or self.take_number())
        own[_LoopCell.USED] = max(own[_LoopCell.USED], slot + 1)
        return slot

    def take_number(self) -> int:
        """Return the next number for a transfer; the first one is 1."""
        self._own[_LoopCell.NUMBER] += 1
        return int(self._own[_LoopCell.NUMBER])

    def update(self, slot: int, acknowledged: int, now: float) -> None:
        """Write how much the client has acknowledged by now."""
        self._write_figures(slot, acknowledged, now, State.RUNNING)

    def end(self, slot: int, acknowledged: int, now: float, state: State) -> None:
        """Move a transfer to the ring, and free its slot.

        Args:
            slot: of the transfer.
            acknowledged: bytes of the body.
            now: the monotonic clock, in seconds.
            state: `State.SENT` or `State.CUT`.
        """
        own, size = self._own, _SIZE
        self._write_figures(slot, acknowledged, now, state)
        first = self._offset + slot * size
        record = self._memory[first + CELL : first + size]
        place = self._slots + own[_LoopCell.ENDED] % RING
        start, index = self._place(place)
        self._cells[index] |= 1
        self._memory[start + CELL : start + size] = record
        self._cells[index] += 1
        own[_LoopCell.ENDED] += 1
        self._write_figures(slot, 0, 0, State.FREE)
        self._free.append(slot)

    def publish(self, now: float) -> None:
        """Say that all records are up to date."""
        self._own[_LoopCell.UPDATED_AT] = int(now * 1e6)

    def clear(self) -> None:
        """Free all slots, since no process watches any more."""
        self._own[_LoopCell.USED] = 0
        self._free.clear()

    def _place(self, slot: int) -> tuple[int, int]:
        """Return the offset of a record, and the index of its sequence number."""
        start = self._offset + slot * _SIZE
        return start, start // CELL

    def _write(self, slot: int, transfer: Transfer, number: int) -> None:
        start, index = self._place(slot)
        cells = self._cells
        cells[index] |= 1  # a worker that was killed may have left it odd
        ranges = transfer.ranges[:MOST_RANGES]
        numbers = [number for part in ranges for number in part]
        numbers += [0] * (3 * (MOST_RANGES - len(ranges)))
        _ALL.pack_into(
            self._memory,
            start,
            cells[index],
            transfer.acknowledged,
            int(transfer.changed * 1e6),
            transfer.state,
            number,
            int(transfer.started * 1e6),
            transfer.size,
            transfer.etag,
            transfer.path_check,
            transfer.status,
            len(ranges),
            *numbers,
            *map(_cut, transfer[:4], _TEXT_SIZES),
        )
        cells[index] += 1

    def _write_figures(self, slot: int, acknowledged: int, now: float, state: State) -> None:
        start, index = self._place(slot)
        cells = self._cells
        cells[index] |= 1
        _FIGURES.pack_into(self._memory, start + CELL, acknowledged, int(now * 1e6), state)
        cells[index] += 1


def checksum(text: bytes) -> int:
    """Return 32 bits that are different for most different texts, in every process."""
    return binascii.crc32(text)


def _cut(text: bytes, size: int) -> bytes:
    """Return a text of at most so many bytes, without its middle if it is longer.

    No character of UTF-8 is cut in two.
    """
    if len(text) <= size:
        return text
    tail = (size - len(_MARK)) * 2 // 3  # the name of a file says more than the way to it
    head = size - len(_MARK) - tail
    first, last = text[:head], text[-tail:]
    return first.decode("utf-8", "ignore").encode() + _MARK + last.lstrip(_CONTINUATION)


_CONTINUATION = bytes(range(0x80, 0xC0))


def _decode(record: bytes, loop: int) -> Transfer | None:
    """Return a record as a transfer; None for a free slot, or for nonsense."""
    _, acknowledged, changed, state, number, started, size, etag, check, status, count, *rest = (
        _ALL.unpack(record)
    )
    if not State.FREE < state <= State.CUT:
        return None
    numbers, texts = rest[: 3 * MOST_RANGES], rest[3 * MOST_RANGES :]
    ranges = tuple(
        (numbers[3 * place], numbers[3 * place + 1], numbers[3 * place + 2])
        for place in range(min(count, MOST_RANGES))
    )
    client, user, site, path = texts
    return Transfer(
        client,
        user,
        site,
        path,
        check,
        etag,
        status,
        size,
        ranges,
        started / 1e6,
        acknowledged,
        changed / 1e6,
        State(state),
        number,
        loop,
    )


def _loop_cells(loop: int) -> int:
    return len(_Header) + loop * len(_LoopCell)


def _loop_offset(loops: int, slots: int, loop: int) -> int:
    """Return where the records of a loop begin; each loop has pages of its own."""
    header = -(-_loop_cells(loops) * CELL // _PAGE) * _PAGE
    return header + loop * (-(-(slots + RING) * _SIZE // _PAGE) * _PAGE)


def read_all(pid: int) -> list[TransferTable]:
    """Return the transfer tables of a running supervisor, the newest first.

    Raises:
        PermissionError: when the supervisor belongs to another user.
        ProcessLookupError: when there is no such process.
    """
    found = sorted(find_tables(pid).items(), reverse=True)
    tables = (open_table(generation, path) for generation, path in found)
    return [table for table in tables if table is not None]


def find_tables(pid: int) -> dict[int, str]:
    """Return where the transfer tables of a running supervisor are, by generation.

    Raises:
        PermissionError: when the supervisor belongs to another user.
        ProcessLookupError: when there is no such process.
    """
    return find_kind(pid, NAME)


def open_table(generation: int, path: str) -> TransferTable | None:
    """Return a table to watch, for which it is opened for writing.

    Args:
        generation: its number.
        path: a result of `find_tables`.

    Returns:
        None if it has gone meanwhile.
    """
    memory = open_memory(path, _MAGIC, writable=True)
    if memory is None or not _is_whole(memory):
        return None
    return TransferTable(memory, generation)


def _is_whole(memory: mmap.mmap) -> bool:
    if len(memory) < _PAGE or len(memory) % CELL:
        return False
    with memoryview(memory) as view, view.cast("Q") as header:
        magic, loops, threads, slots, ring, size = header[: _Header.WATCHED_AT]
    if (magic, ring, size) != (_MAGIC, RING, _SIZE):
        return False
    if not 0 < loops <= _MOST_LOOPS or not 0 < threads <= loops or not 0 < slots <= _MOST_SLOTS:
        return False
    return len(memory) >= _loop_offset(loops, slots, loops)
