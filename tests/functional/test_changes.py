"""A changed file is seen soon, and no response mixes the old file with the new one.

Each test sends the same bytes again and again over one connection, so that the server can use its
caches.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.functional.configured import serve_with
from tests.support.raw import Client, Response

SOON = 5.0
"""Seconds after which a change must have been seen; the server promises little more than one."""

OLD, NEW = b"the old content", b"the new content"
LARGE = 300_000


def ask_until(client: Client, target: str, wanted: Callable[[Response], bool]) -> list[Response]:
    """Ask until a response is the wanted one; return all responses, the wanted one last."""
    responses = []
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline:
        responses.append(client.ask(target))
        if wanted(responses[-1]):
            return responses
    raise AssertionError(f"not seen in {SOON} s; the last response: {responses[-1]}")


def ask_twice(client: Client, target: str, *lines: str) -> Response:
    """Ask until the server keeps the file, and return its response."""
    client.ask(target, *lines)
    return client.ask(target, *lines)


def facts(response: Response) -> tuple[str, str, bytes]:
    return response["ETag"], response["Last-Modified"], response.body


@pytest.fixture
def path(docroot: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A path of the test's own in the docroot."""
    directory = docroot / "changes"
    directory.mkdir(exist_ok=True)
    path = directory / f"{request.node.name}.txt"
    yield path
    if path.is_file():
        path.unlink()


def target_of(path: Path) -> str:
    return f"/changes/{path.name.replace('[', '%5B').replace(']', '%5D')}"


def overwrite(path: Path, content: bytes) -> None:
    """Write in place: the file keeps its inode."""
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()


def replace(path: Path, content: bytes) -> None:
    """Put another file in its place, as careful editors and deployments do."""
    other = path.with_suffix(".new")
    other.write_bytes(content)
    other.replace(path)


@pytest.mark.parametrize("change", [overwrite, replace])
@pytest.mark.parametrize("factor", [1, LARGE // len(OLD)])
def test_file_that_has_changed_is_sent_as_it_is_now(
    client: Client, path: Path, change: Callable[[Path, bytes], None], factor: int
) -> None:
    path.write_bytes(OLD * factor)
    os.utime(path, (1_600_000_000, 1_600_000_000))
    old = facts(client.ask(target_of(path)))
    for _ in range(20):
        assert facts(client.ask(target_of(path))) == old
    new_content = NEW * factor + b"and more"
    change(path, new_content)
    responses = ask_until(client, target_of(path), lambda response: response.body == new_content)
    new = facts(responses[-1])
    assert new[0] != old[0]
    assert new[1] in {formatdate(int(path.stat().st_mtime), usegmt=True), responses[-1]["Date"]}
    assert {facts(response) for response in responses} <= {old, new}


SECOND = 1_600_000_000 * 10**9


@pytest.mark.parametrize("change", [overwrite, replace])
def test_change_of_the_same_size_in_the_same_second_is_seen(
    client: Client, path: Path, change: Callable[[Path, bytes], None]
) -> None:
    path.write_bytes(OLD)
    os.utime(path, ns=(SECOND + 1, SECOND + 1))
    old = facts(ask_twice(client, target_of(path)))
    change(path, NEW)
    os.utime(path, ns=(SECOND + 2, SECOND + 2))
    responses = ask_until(client, target_of(path), lambda response: response.body == NEW)
    assert responses[-1]["ETag"] != old[0]
    assert responses[-1]["Last-Modified"] == old[1]


@pytest.mark.parametrize("factor", [1, LARGE // len(OLD)])
def test_file_replaced_by_one_of_the_same_size_and_time_is_seen(
    client: Client, path: Path, factor: int
) -> None:
    """As `cp -p` and archives make it: nothing but the inode tells the two apart."""
    path.write_bytes(OLD * factor)
    os.utime(path, ns=(SECOND, SECOND))
    old = facts(ask_twice(client, target_of(path)))
    other = path.with_suffix(".new")
    other.write_bytes(NEW * factor)
    os.utime(other, ns=(SECOND, SECOND))
    other.replace(path)
    responses = ask_until(client, target_of(path), lambda response: response.body == NEW * factor)
    assert responses[-1]["ETag"] != old[0]
    assert responses[-1]["Last-Modified"] == old[1]


@pytest.mark.parametrize("factor", [1, LARGE // len(OLD)])
@pytest.mark.parametrize("fixed", [0, 1, 315532800, 499162500])
def test_validators_of_a_file_whose_time_says_nothing_go_by_the_tag(
    client: Client, path: Path, fixed: int, factor: int
) -> None:
    """As npm, Nix, ostree and reproducible builds write them: no date tells two versions apart."""
    target = target_of(path)
    path.write_bytes(OLD * factor)
    os.utime(path, (fixed, fixed))
    old = ask_twice(client, target)
    date = formatdate(fixed, usegmt=True)
    assert old["Last-Modified"] == date
    later = formatdate(fixed + 1000, usegmt=True)
    assert client.ask(target, f"If-None-Match: {old['ETag']}").status == 304
    assert client.ask(target, "Range: bytes=0-2", f"If-Range: {old['ETag']}").status == 206
    for lines in (
        [f"If-Modified-Since: {date}"],
        [f"If-Modified-Since: {later}"],
        ["If-Unmodified-Since: Thu, 01 Jan 1960 00:00:00 GMT"],
        ["Range: bytes=0-2", f"If-Range: {date}"],
    ):
        for response in client.ask(target, *lines), ask_twice(client, target, *lines):
            assert (response.status, response.body, response["Last-Modified"]) == (
                200,
                old.body,
                date,
            )
    other = path.with_suffix(".new")
    other.write_bytes(NEW * factor)
    os.utime(other, (fixed, fixed))
    other.replace(path)
    ask_until(client, target, lambda response: response.body == NEW * factor)
    for lines in (
        [f"If-None-Match: {old['ETag']}"],
        ["Range: bytes=0-2", f"If-Range: {old['ETag']}"],
    ):
        response = client.ask(target, *lines)
        assert (response.status, response.body) == (200, NEW * factor)


def test_date_of_a_very_old_file_counts(client: Client, path: Path) -> None:
    path.write_bytes(OLD)
    os.utime(path, (2, 2))
    response = client.ask(target_of(path), f"If-Modified-Since: {formatdate(2, usegmt=True)}")
    assert response.status == 304


def test_conditional_request_sees_the_change(client: Client, path: Path) -> None:
    path.write_bytes(OLD)
    line = f"If-None-Match: {client.ask(target_of(path))['ETag']}"
    assert ask_twice(client, target_of(path), line).status == 304
    replace(path, NEW)
    deadline = time.monotonic() + SOON
    while (response := client.ask(target_of(path), line)).status == 304:
        assert time.monotonic() < deadline
    assert (response.status, response.body) == (200, NEW)


def test_file_that_appears_and_disappears_is_seen_to(client: Client, path: Path) -> None:
    target = target_of(path)
    assert client.ask(target).status == 404
    path.write_bytes(NEW)
    responses = ask_until(client, target, lambda response: response.status == 200)
    assert responses[-1].body == NEW
    assert ask_twice(client, target).body == NEW
    path.unlink()
    responses = ask_until(client, target, lambda response: response.status == 404)
    assert {response.body for response in responses[:-1]} <= {NEW}


def test_file_that_becomes_a_directory_is_served_by_its_index(client: Client, path: Path) -> None:
    target = target_of(path)
    path.write_bytes(OLD)
    assert ask_twice(client, target).body == OLD
    path.unlink()
    path.mkdir()
    ask_until(client, target, lambda response: response.status == 301)
    assert client.ask(f"{target}/").status == 403
    (path / "index.html").write_bytes(NEW)
    ask_until(client, f"{target}/", lambda response: response.body == NEW)


def test_link_that_is_turned_leads_to_the_new_target(client: Client, path: Path) -> None:
    old, new = path.with_suffix(".a"), path.with_suffix(".b")
    old.write_bytes(OLD)
    new.write_bytes(NEW)
    path.symlink_to(old.name)
    assert ask_twice(client, target_of(path)).body == OLD
    link = path.with_suffix(".link")
    link.symlink_to(new.name)
    link.replace(path)
    ask_until(client, target_of(path), lambda response: response.body == NEW)


def test_link_that_is_turned_outwards_is_not_found(
    client: Client, docroot: Path, path: Path
) -> None:
    secret = docroot.parent / "turned-secret.txt"
    secret.write_bytes(b"secret")
    path.write_bytes(OLD)
    assert ask_twice(client, target_of(path)).body == OLD
    link = path.with_suffix(".link")
    link.symlink_to(secret)
    link.replace(path)
    responses = ask_until(client, target_of(path), lambda response: response.status == 404)
    assert {response.body for response in responses[:-1]} <= {OLD}


def test_file_that_changes_all_the_time_is_never_mixed(client: Client, path: Path) -> None:
    """Every response is one of the files that there have been, whole and with its own fields."""
    contents = [b"a" * 10, b"b" * 5000, b"c" * LARGE, b"d" * LARGE]
    bodies: dict[str, bytes] = {}
    for content in contents * 15:
        replace(path, content)
        response = client.ask(target_of(path))
        assert response.body in contents
        assert bodies.setdefault(response["ETag"], response.body) == response.body
    ask_until(client, target_of(path), lambda response: response.body == contents[-1])


def test_site_that_is_replaced_is_never_mixed(tmp_path: Path) -> None:
    """One link is changed, and from then on no file of the old version is found any more."""
    turns = 100
    for version in "odd", "even":
        (tmp_path / version).mkdir()
        for number in range(turns):
            (tmp_path / version / f"{number}.txt").write_text(version)
    link, new = tmp_path / "site", tmp_path / "new"
    link.symlink_to("odd")
    with serve_with(link) as server, Client(server.port) as client:
        for number in range(turns):
            version = "odd" if number % 2 else "even"
            new.symlink_to(version)
            new.replace(link)
            assert client.ask(f"/{number}.txt").body == version.encode()
