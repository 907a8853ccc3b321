"""What a listing contains: everything that could be fetched, and nothing else."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

import pytest

from httpd.files.docroot import Docroot, FoundDirectory
from httpd.files.hidden import HiddenNames
from httpd.protocol.messages import HTTPError
from httpd.site.listing.order import Order
from tests.unit.guard import must_end, open_descriptors, opened_since
from tests.unit.site.directories import as_nobody, open_directory, open_path, write, write_sparse
from tests.unit.site.listing.pages import (
    Found,
    Page,
    finish,
    list_path,
    make_many,
    names,
    read,
    read_html,
    read_json,
    render,
)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    write(tmp_path / "outside" / "secret")
    write(root / "a.txt", "a")
    write(root / "sub" / "b.txt", "b")
    write(root / ".hidden")
    write(root / ".git" / "config")
    write(root / ".well-known" / "security.txt")
    write(root / "sub" / ".well-known" / "security.txt")
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(root / "socket"))
    links = {
        "to-file": "a.txt",
        "to-folder": "sub",
        "to-fifo": "fifo",
        "round-trip": "../outside/back/a.txt",
        "dangling": "nowhere",
        "self": "self",
        "out-file": "../outside/secret",
        "out-folder": "../outside",
        "out-null": "/dev/null",
        ".dot-link": "a.txt",
        "to-hidden": ".hidden",
        "to-hidden-absolute": str(root / ".hidden"),
        "to-git": ".git",
        "to-git-config": "to-git/config",
        "to-other-well-known": "sub/.well-known",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    (tmp_path / "outside" / "back").symlink_to("../site")
    return root


def test_a_listing_has_what_is_served(site: Path) -> None:
    expected = [".well-known/", "sub/", "to-folder/", "a.txt", "round-trip", "to-file"]
    with must_end():
        assert names(site) == expected
    docroot = Docroot(str(site), ())
    for name in expected:
        if name.endswith("/"):
            os.close(docroot.open_directory(FoundDirectory(b"/" + name.encode())))
        else:
            os.close(open_path(docroot, b"/" + name.encode()).fd)


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        ((".hidden", ".dot-link"), [".dot-link", ".hidden", "to-hidden", "to-hidden-absolute"]),
        ((".git",), [".git", "to-git", "to-git-config"]),
        (
            True,
            [
                *(".git", "to-git", "to-other-well-known", ".dot-link", ".hidden"),
                *("to-git-config", "to-hidden", "to-hidden-absolute"),
            ],
        ),
    ],
)
def test_a_listing_has_the_hidden_names_that_are_served(
    site: Path, served: bool | tuple[str, ...], expected: list[str]
) -> None:
    docroot = Docroot(str(site), (), hidden=HiddenNames(served))
    listing = read(finish(list_path(docroot, b"/", Order(), as_json=True)))
    found = {entry["name"] for entry in json.loads(listing)}
    assert found == {*expected, *(name.removesuffix("/") for name in names(site))}


@pytest.mark.parametrize("path", [b"/sub/", b"/to-folder/", b"/%73ub/"])
def test_a_directory_below_the_docroot_is_listed(site: Path, path: bytes) -> None:
    assert names(site, path) == ["b.txt"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"/nothing/", 404),
        (b"/out-folder/", 404),
        (b"/.git/", 404),
        (b"/a.txt/", 404),
        (b"/fifo/", 404),
        (b"/../", 400),
        (b"/%zz/", 400),
    ],
)
def test_a_path_to_no_directory_is_an_error_of_the_first_step(
    site: Path, path: bytes, status: int
) -> None:
    docroot = Docroot(str(site), ())
    before = open_descriptors()
    with pytest.raises(HTTPError) as error:
        next(list_path(docroot, path, Order(), as_json=False))
    assert error.value.status == status
    docroot.release()
    assert opened_since(before) == []


def test_a_directory_that_may_not_be_read_is_403() -> None:
    with open_directory() as root:
        write(root / "closed" / "a.txt").parent.chmod(0o711)
        write(root / "list-only" / "a.txt").parent.chmod(0o744)
        write(root / "a.txt").chmod(0)
        with as_nobody():
            with pytest.raises(HTTPError) as error:
                render(root, b"/closed/")
            assert error.value.status == 403
            assert names(root, b"/list-only/") == []  # nothing in there can be reached
            assert names(root) == ["closed/", "list-only/", "a.txt"]


def test_entries_that_vanish_and_appear_meanwhile(tmp_path: Path) -> None:
    make_many(tmp_path, 300)
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            for number in range(0, 300, 2):
                (tmp_path / f"{number:05}.txt").unlink()
            for number in range(0, 300, 2):
                write(tmp_path / f"{number:05}.txt")

    thread = threading.Thread(target=change)
    thread.start()
    try:
        stay = {b"%05d.txt" % number for number in range(1, 300, 2)}
        for _ in range(20):
            assert stay <= {entry.name for entry in read_html(render(tmp_path))}
    finally:
        stop.set()
        thread.join()


def test_an_empty_directory_has_an_empty_listing(tmp_path: Path) -> None:
    page = Page(render(tmp_path))
    assert page.rows == []
    assert page.text["p"] == "This directory is empty."
    assert json.loads(render(tmp_path, as_json=True)) == []


@pytest.mark.parametrize("as_json", [False, True])
def test_entries_have_their_sizes_and_times(tmp_path: Path, as_json: bool) -> None:
    moments = {
        "a": (1_790_000_000, "2026-09-21T14:13:20Z"),
        "b": (-1, "1969-12-31T23:59:59Z"),
        "c": (2**32, "2106-02-07T06:28:16Z"),
    }
    for name, (moment, _) in moments.items():
        os.utime(write_sparse(tmp_path / name, 2**32 + 5), (moment, moment))
    text = render(tmp_path, as_json=as_json)
    assert (read_json if as_json else read_html)(text) == [
        Found(name.encode(), False, 2**32 + 5, said) for name, (_, said) in moments.items()
    ]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (10 * 1024, "10 KiB"),
        (10189, "10 KiB"),
        (999 * 1024, "999 KiB"),
        (1023 * 1024, "1.0 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (2**42, "4.0 TiB"),
    ],
)
def test_sizes_are_abbreviated_for_people(tmp_path: Path, size: int, text: str) -> None:
    write_sparse(tmp_path / "a", size)
    row = Page(render(tmp_path)).rows[0]
    assert row.cells[1] == text
    assert row.titles[1] == f"{size} bytes"
