"""The report of a start, on a descriptor whose number is used again afterwards."""

from __future__ import annotations

import os
import socket

import pytest

from httpd.process.daemon import Report


def test_report_is_one_line_and_sent_once() -> None:
    ours, theirs = socket.socketpair()
    read_fd, write_fd = os.pipe()
    report = Report(write_fd)
    report.send(78, "two\nlines")
    assert os.read(read_fd, 100) == b"78 two; lines\n"
    assert os.read(read_fd, 100) == b"", "closed"
    with ours, theirs:
        os.dup2(theirs.fileno(), write_fd)
        report.send(71, "internal error")
        os.close(write_fd)
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            ours.recv(100)
    os.close(read_fd)


def test_report_without_a_reader_is_no_error() -> None:
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    Report(write_fd).send(0, "")
