"""Samples of large files: where they lie, when they are compared, and what they tell."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from mmap import mmap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.files.fingerprint import BLOCK, COUNT, Fingerprint, enclose, sample_offsets
from httpd.files.open_file import SMALL_FILE
from tests.unit.site.directories import settle, write

SIZE = 4 << 20
OFFSETS = sample_offsets(SIZE)
GAP = OFFSETS[3] + BLOCK + 100
"""In no sample."""
WHOLE = range(SIZE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "a", b"o" * SIZE)


@pytest.fixture
def fd(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


def put(path: Path, offset: int, text: bytes = b"new") -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(text)


@given(st.integers(SMALL_FILE + 1, 1 << 60))
def test_samples_are_spread_over_the_file(size: int) -> None:
    offsets = sample_offsets(size)
    assert (len(offsets), offsets[0], offsets[-1]) == (COUNT, 0, size - BLOCK)
    gaps = [b - a for a, b in pairwise(offsets)]
    assert min(gaps) >= BLOCK, "none overlaps another"
    assert max(gaps) - min(gaps) < COUNT


def test_part_of_several_ranges_encloses_them() -> None:
    assert enclose([range(5, 9)]) == range(5, 9)
    assert enclose([b"--a", range(50, 60), b"--b", range(3, 4), b"--"]) == range(3, 60)


def note_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    reads: list[int] = []
    pread = os.pread

    def read(fd: int, size: int, offset: int) -> bytes:
        reads.append(offset)
        return pread(fd, size, offset)

    monkeypatch.setattr(os, "pread", read)
    return reads


def test_file_whose_times_stay_is_not_read(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(monkeypatch)
    reads = note_reads(monkeypatch)
    fingerprint = Fingerprint(fd, os.fstat(fd))
    assert reads == OFFSETS
    for is_last in False, True:
        assert fingerprint.is_intact(WHOLE, is_last=is_last)
    assert reads == OFFSETS


def test_file_that_is_read_once_after_a_change_is_known_again(
    path: Path, fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    reads = note_reads(monkeypatch)
    fingerprint = Fingerprint(fd, os.fstat(fd))
    path.touch()
    for _ in range(5):
        assert fingerprint.is_intact(WHOLE, is_last=True)
    assert reads == 2 * OFFSETS


def test_young_file_is_compared_although_its_times_stay(
    path: Path, fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two writes of one instant leave the same time."""
    status = os.fstat(fd)
    fingerprint = Fingerprint(fd, status)
    put(path, 0)
    monkeypatch.setattr(os, "fstat", lambda _: status)
    assert not fingerprint.is_intact(WHOLE, is_last=True)


def test_samples_are_compared_once_a_second_and_at_the_end(
    path: Path, fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprint = Fingerprint(fd, os.fstat(fd))
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert fingerprint.is_intact(WHOLE, is_last=False)
    put(path, 0)
    now += 0.5
    assert fingerprint.is_intact(WHOLE, is_last=False)
    now += 0.5
    assert not fingerprint.is_intact(WHOLE, is_last=False)
    put(path, 0, b"ooo")
    assert not fingerprint.is_intact(WHOLE, is_last=False)
    assert fingerprint.is_intact(WHOLE, is_last=True)


@pytest.mark.parametrize(
    ("changed", "part", "is_intact"),
    [
        (OFFSETS[5], WHOLE, False),
        (SIZE - 3, WHOLE, False),
        (GAP, WHOLE, True),  # what samples cannot see
        (OFFSETS[5], range(OFFSETS[5] + BLOCK, SIZE), True),
        (OFFSETS[5], range(OFFSETS[5]), True),
        (OFFSETS[5], range(OFFSETS[5] + BLOCK - 1, SIZE), False),
        (OFFSETS[5], range(OFFSETS[5] + 1), False),
        # Where no sample lies in the part, the one before it stands for it.
        (OFFSETS[3], range(GAP, GAP + 10), False),
        (OFFSETS[4], range(GAP, GAP + 10), True),
        (0, range(10), False),
    ],
)
def test_samples_of_the_part_decide(
    path: Path, fd: int, changed: int, part: range, is_intact: bool
) -> None:
    fingerprint = Fingerprint(fd, os.fstat(fd))
    put(path, changed)
    assert fingerprint.is_intact(part, is_last=True) is is_intact


@pytest.mark.parametrize("stop", [SIZE, SIZE - 1, SIZE // 2, OFFSETS[5] + 1, 1])
@pytest.mark.parametrize("cut", [0, 1])
def test_truncation_counts_from_the_end_of_the_part(
    path: Path, fd: int, stop: int, cut: int
) -> None:
    fingerprint = Fingerprint(fd, os.fstat(fd))
    os.truncate(path, stop - cut)
    assert fingerprint.is_intact(range(stop), is_last=True) is (cut == 0)


@pytest.mark.parametrize("act", [os.unlink, Path.touch, lambda path: path.chmod(0)])
def test_change_of_name_and_status_does_not_count(
    path: Path, fd: int, act: Callable[[Path], None]
) -> None:
    fingerprint = Fingerprint(fd, os.fstat(fd))
    act(path)
    assert fingerprint.is_intact(WHOLE, is_last=True)


def test_file_that_is_shorter_than_it_says_is_not_whole(path: Path, fd: int) -> None:
    status = os.fstat(fd)
    assert Fingerprint(fd, status).is_whole
    os.truncate(path, SIZE - 1)
    assert not Fingerprint(fd, status).is_whole


def test_write_to_a_mapping_shows_when_it_is_written_back(path: Path, fd: int) -> None:
    os.utime(path, (1e9, 1e9))
    fingerprint = Fingerprint(fd, os.fstat(fd))
    with path.open("r+b") as file, mmap(file.fileno(), SIZE) as mapping:
        mapping[:3] = b"new"
        mapping.flush()
        assert not fingerprint.is_intact(WHOLE, is_last=True)
