"""A user who may write in the docroot swaps names, and no client gets a file outside of it."""

from __future__ import annotations

import os
import random
import socket
import stat
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.process.attacker import attack
from tests.process.launch import foreground
from tests.support.raw import Client, pipeline, request

CANARY = "what-must-never-be-seen"
FINE = b"what everybody may see"
LARGE = 200_000
"""More than is sent from memory."""
OUTSIDE_SIZE = 7_654_321
"""As no file inside is of, so that a listing would give it away."""
CLIENTS = 4
ROUNDS = 80

TARGETS = [
    "/stable.txt",
    "/file.txt",
    "/file.txt~",
    "/absolute.txt",
    "/folder/secret.txt",
    "/folder/",
    "/a/b/c/secret.txt",
    "/a/up.txt",
    "/chain.txt",
    "/zipped.txt",
    "/listed/",
    "/links/",
    "/index/",
    "/fifo.txt",
    "/socket.txt",
    "/device.txt",
    "/piped.txt",
]
NAMED = ["/to-named.txt", "/to-named/inside.txt", "/to-named/", "/to-named/inner.txt"]
"""Targets that lead into a directory that the operator has named, or out of it."""


def build_outside(outside: Path) -> None:
    for name in ("secret.txt", "index.html", "b/c/secret.txt", "secret.gz"):
        (outside / name).parent.mkdir(parents=True, exist_ok=True)
        (outside / name).write_text(f"{CANARY}\n")
    (outside / "large.bin").write_text(CANARY * (LARGE // len(CANARY)))
    (outside / "names").mkdir()
    (outside / "names" / f"{CANARY}.txt").touch()
    with (outside / "sized").open("wb") as file:
        file.truncate(OUTSIDE_SIZE)


def build_named(named: Path) -> list[str]:
    """Make the directory that links may lead to, and return the names that change places in it."""
    for name in "inside.txt", "inner.txt", "deeper/inside.txt":
        (named / name).parent.mkdir(parents=True, exist_ok=True)
        (named / name).write_bytes(FINE)
    (named / "inner.txt~").symlink_to("../outside/secret.txt")
    (named / "deeper~").symlink_to("../outside")
    return [str(named / name) for name in ("inner.txt", "deeper")]


def build(site: Path, outside: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make a version of the site, and return the names that change places in it."""
    files = {
        "stable.txt": FINE,
        "file.txt": FINE,
        "absolute.txt": FINE,
        "folder/secret.txt": FINE,
        "a/b/c/secret.txt": FINE,
        "a/up.txt": FINE,
        "inner/secret.txt": FINE,
        "zipped.txt": FINE,
        "zipped.txt.gz": FINE,
        "piped.txt": FINE,
        "piped.txt.gz": FINE,
        "large.bin": FINE * (LARGE // len(FINE)),
        "listed/inside.txt": FINE,
        "links/inside": FINE,
        "index/index.html": FINE,
        **{f"{name}.txt": FINE for name in ("fifo", "socket", "device")},
    }
    for name, content in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(content)
    (site / "chain.txt").symlink_to("inner/secret.txt")
    links = {
        "file.txt": "../outside/secret.txt",
        "absolute.txt": str(outside / "secret.txt"),
        "folder": "../outside",
        "a/b": "../../outside/b",
        "a/up.txt": "b/../../../outside/secret.txt",
        "inner": "../outside",
        "zipped.txt.gz": "../outside/secret.gz",
        "large.bin": "../outside/large.bin",
        "listed": "../outside/names",
        "links/inside": "../../outside/sized",
        "to-named.txt": "../outside/secret.txt",
        "to-named": "../outside/names",
    }
    (site / "to-named.txt").symlink_to("../named/deeper/inside.txt")
    (site / "to-named").symlink_to("../named")
    for name, target in links.items():
        (site / f"{name}~").symlink_to(target)
    no_files = ["fifo.txt", "index/index.html", "piped.txt.gz", "socket.txt", "device.txt"]
    for name in no_files[:3]:
        os.mkfifo(site / f"{name}~")
    monkeypatch.chdir(site)  # the whole path can be too long for the address of a socket
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.txt~")
    try:
        os.mknod(site / "device.txt~", stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero
    except PermissionError:  # only root can make it
        os.mkfifo(site / "device.txt~")
    return [str(site / name) for name in (*links, *no_files)]


def spell(target: str, chance: random.Random) -> str:
    """Return another spelling of a target."""
    return "".join(
        letter if letter == "/" or chance.random() < 0.5 else f"%{ord(letter):02x}"
        for letter in target
    )


def ask_for_everything(port: int, number: int) -> dict[str, set[int]]:
    """Ask for all targets again and again, and return the statuses that each was answered with."""
    chance = random.Random(number)
    statuses = defaultdict(set)
    for turn in range(ROUNDS):
        targets = TARGETS + NAMED
        spelled = [spell(target, chance) if turn % 2 else target for target in targets]
        fields = [f"X: {number}-{turn}", "Accept: application/json", "Accept-Encoding: gzip"]
        requests = [("GET", request(target, *fields)) for target in spelled]
        for target, response in zip(targets, pipeline(port, requests), strict=True):
            statuses[target].add(response.status)
            assert CANARY.encode() not in response.body, target
            assert str(OUTSIDE_SIZE).encode() not in response.body, target
            if response.status == 200 and response["Content-Type"] != "application/json":
                assert response.body == FINE, target
        with Client(port) as client:  # the target may change while it is sent
            client.send(request(spell("/large.bin", chance), "Connection: close"))
            if client.head().status == 200:
                assert client.rest() == FINE * (LARGE // len(FINE))
    return statuses


@pytest.mark.slow
@pytest.mark.parametrize("symlinks", ["inside", "named"])
@pytest.mark.parametrize("cache", [0, "auto"])
def test_race_of_paths_never_serves_a_file_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: int | str, symlinks: str
) -> None:
    """Neither when every request looks up the file, nor when files are validated once a second."""
    outside = tmp_path / "outside"
    build_outside(outside)
    named = tmp_path / "named"
    docroot = tmp_path / "site"
    names = [str(docroot), *build_named(named)]
    links = str(named) if symlinks == "named" else symlinks
    for version, link in {"one": docroot, "two": tmp_path / "site~"}.items():
        names += build(tmp_path / version, outside, monkeypatch)
        link.symlink_to(version)
    seen: dict[str, set[int]] = defaultdict(set)
    with (
        foreground(docroot, listing=True, cache=cache, symlinks=links) as server,
        attack(names),
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        for statuses in clients.map(ask_for_everything, [server.port] * CLIENTS, range(CLIENTS)):
            for target in statuses:
                seen[target] |= statuses[target]
    assert seen.pop("/stable.txt") == {200}, "it is in both versions of the site"
    leads_to_named = set.union(*(seen[target] for target in NAMED))
    assert (200 in leads_to_named) is (symlinks == "named")
    if cache == 0:
        assert seen["/file.txt"] == seen["/folder/secret.txt"] == {200, 404}, "nothing was swapped"
    assert set.union(*seen.values()) <= {200, 403, 404}
