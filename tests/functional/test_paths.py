"""From a target to a file: names, directories, hidden files, links, and special files."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urljoin

import pytest

from tests.functional.site import GUIDE, HOME, NAMES
from tests.support.raw import Client, ask
from tests.support.server import Server, serve

SECRET = b"outside of the docroot"


@pytest.mark.parametrize("name", NAMES)
def test_name_of_any_kind_leads_to_its_file(client: Client, name: str) -> None:
    assert client.ask(NAMES[name]).body == name.encode()


@pytest.mark.parametrize("name", NAMES)
def test_name_with_every_byte_encoded_leads_to_its_file(client: Client, name: str) -> None:
    target = "/" + "".join(f"%{byte:02x}" for byte in name.encode())
    assert client.ask(target).body == name.encode()


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/", HOME),
        ("/docs/", b"docs"),
        ("/docs/guide.html", GUIDE),
        ("/docs/deep/er/", b"deeper"),
        ("/a%20b/", b"spaced"),
        ("/gr%C3%BCn/", b"green"),
    ],
)
def test_directory_is_served_by_its_index(client: Client, target: str, body: bytes) -> None:
    response = client.ask(target)
    assert response.body == body
    assert response["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/docs", "./docs/"),
        ("/docs?", "./docs/?"),
        ("/docs?a=1&b=/x?y", "./docs/?a=1&b=/x?y"),
        ("/docs/deep", "./deep/"),
        ("/bare", "./bare/"),
        ("/a%20b", "./a%20b/"),
        ("/gr%c3%bcn", "./gr%c3%bcn/"),
        ("/%64ocs", "./%64ocs/"),
        ("//docs", "./docs/"),
        ("//docs//deep", "./deep/"),
        ("http://localhost/docs", "./docs/"),
        ("http://elsewhere.example/docs?q", "./docs/?q"),
    ],
)
def test_directory_without_a_slash_is_redirected(
    client: Client, target: str, location: str
) -> None:
    response = client.ask(target)
    assert (response.status, response["Location"]) == (301, location)
    base = target if "://" in target else f"http://localhost{target}"
    assert client.ask(urljoin(base, location)).status in {200, 403}


def test_directory_that_looks_like_a_host_is_redirected_within_the_site(
    client: Client, docroot: Path
) -> None:
    """A Location of //evil.example/ would lead away from the server."""
    (docroot / "evil.example").mkdir()
    for target in ("//evil.example", "///evil.example", "/%5cevil.example", "//evil.example/%2e"):
        location = client.ask(target).get("Location")
        assert location in {None, "./evil.example/", "./%5cevil.example/"}


def test_directory_with_a_new_line_in_its_name_adds_no_field(client: Client, docroot: Path) -> None:
    (docroot / "new\r\nX-Evil: 1").mkdir()
    response = client.ask("/new%0d%0aX-Evil:%201")
    assert "X-Evil" not in response
    assert response.status in {301, 400, 404}


def test_index_that_is_a_directory_is_none(client: Client, docroot: Path) -> None:
    (docroot / "odd" / "index.html").mkdir(parents=True)
    assert client.ask("/odd/").status in {403, 404}


def test_index_that_leads_outside_is_none(client: Client, docroot: Path) -> None:
    secret = docroot.parent / "secret-index.html"
    secret.write_bytes(SECRET)
    (docroot / "lured").mkdir()
    (docroot / "lured" / "index.html").symlink_to(secret)
    response = client.ask("/lured/")
    assert response.status in {403, 404}
    assert SECRET not in response.body


def test_index_that_is_a_fifo_blocks_no_one(lone_loop: Server, docroot: Path) -> None:
    (docroot / "piped").mkdir()
    os.mkfifo(docroot / "piped" / "index.html")
    with Client(lone_loop.port) as client:
        assert client.ask("/piped/").status in {403, 404}
        assert client.ask("/").body == HOME


def test_directory_without_an_index_is_refused(client: Client) -> None:
    assert client.ask("/bare/").status == 403
    assert client.ask("/bare/file.txt").body == b"bare"


def test_hidden_file_is_not_found(client: Client, docroot: Path) -> None:
    (docroot / ".env").write_bytes(SECRET)
    (docroot / ".git").mkdir()
    (docroot / ".git" / "HEAD").write_bytes(SECRET)
    (docroot / "docs" / ".htaccess").write_bytes(SECRET)
    for target in (
        "/.env",
        "/%2Eenv",
        "/.git",
        "/.git/",
        "/.git/HEAD",
        "/docs/.htaccess",
        "/.none",
    ):
        assert client.ask(target).status == 404, target


def test_hidden_file_is_not_found_by_any_way(client: Client, docroot: Path) -> None:
    """A link leads to a hidden name no more than the name itself does."""
    (docroot / ".store" / "folder").mkdir(parents=True)
    (docroot / ".store" / "folder" / "secret.txt").write_bytes(SECRET)
    ways = docroot / "ways"
    ways.mkdir()
    (ways / "store").symlink_to("../.store")
    (ways / "folder").symlink_to(docroot / ".store" / "folder")
    (ways / "file.txt").symlink_to("folder/secret.txt")
    (ways / "back").symlink_to("../../site/.store/folder/secret.txt")
    for target in (
        "/ways/store/folder/secret.txt",
        "/ways/store",
        "/ways/store/",
        "/ways/folder/secret.txt",
        "/ways/file.txt",
        "/ways/back",
        "/ways/store%2Ffolder%2Fsecret.txt",
        "/ways/../.store/folder/secret.txt",
        "/ways%2f..%2f.store/folder/secret.txt",
        "/%2estore%2ffolder/secret.txt",
    ):
        for _ in range(3):  # as often as it takes to be remembered
            response = client.ask(target)
            assert (response.status, SECRET in response.body) == (404, False), target


def test_volume_of_a_pod_is_served(client: Client, docroot: Path) -> None:
    """As Kubernetes mounts a ConfigMap: a new version comes by one link that is exchanged."""
    volume = docroot / "volume"
    for version in ("one", "two"):
        (volume / f"..{version}").mkdir(parents=True)
        (volume / f"..{version}" / "page.txt").write_text(version)
    (volume / "..data").symlink_to("..one")
    (volume / "page.txt").symlink_to("..data/page.txt")
    assert client.ask("/volume/page.txt").body == b"one"
    (volume / "..next").symlink_to("..two")
    (volume / "..next").rename(volume / "..data")
    assert client.ask("/volume/page.txt").body == b"two"
    assert client.ask("/volume/..data/page.txt").status == 404
    assert client.ask("/volume/..two/page.txt").status == 404


def test_well_known_files_are_not_hidden_at_the_root(client: Client, docroot: Path) -> None:
    """RFC 8615 §3: they are at the root, and nowhere else."""
    for directory in (docroot, docroot / "docs"):
        (directory / ".well-known" / "acme-challenge").mkdir(parents=True)
        (directory / ".well-known" / "acme-challenge" / "token").write_bytes(b"token")
    assert client.ask("/.well-known/acme-challenge/token").body == b"token"
    assert client.ask("/docs/../.well-known/acme-challenge/token").body == b"token"
    assert client.ask("/docs/.well-known/acme-challenge/token").status == 404


@pytest.fixture(scope="module")
def links(docroot: Path) -> Path:
    """A directory of links."""
    outside = docroot.parent / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_bytes(SECRET)
    directory = docroot / "links"
    directory.mkdir()
    for name, target in {
        "inside": "../index.html",
        "inside-absolute": str(docroot / "index.html"),
        "chain": "inside",
        "folder": "../docs",
        "outside": "../../outside/secret.txt",
        "outside-absolute": str(outside / "secret.txt"),
        "outside-chain": "outside",
        "outside-folder": "../../outside",
        "out-and-in": "../../site/index.html",
        "passwd": "/etc/passwd",
        "root": "/",
        "parent": "../..",
        "zero": "/dev/zero",
        "self-descriptor": "/proc/self/fd",
        "dangling": "nowhere",
        "loop": "loop",
        "loop-a": "loop-b",
        "loop-b": "loop-a",
        "twin": "../../site-twin/secret.txt",
    }.items():
        (directory / name).symlink_to(target)
    twin = docroot.parent / "site-twin"
    twin.mkdir()
    (twin / "secret.txt").write_bytes(SECRET)
    return directory


@pytest.mark.parametrize("name", ["inside", "inside-absolute", "chain"])
def test_link_that_stays_is_followed(client: Client, links: Path, name: str) -> None:
    assert (links / name).is_symlink()
    assert client.ask(f"/links/{name}").body == HOME


def test_link_to_a_directory_that_stays_is_followed(client: Client, links: Path) -> None:
    assert (links / "folder").is_symlink()
    assert client.ask("/links/folder/").body == b"docs"
    assert client.ask("/links/folder/guide.html").body == GUIDE
    assert client.ask("/links/folder")["Location"] == "./folder/"


@pytest.mark.parametrize(
    "name",
    [
        "outside",
        "outside-absolute",
        "outside-chain",
        "outside-folder",
        "outside-folder/",
        "outside-folder/secret.txt",
        "passwd",
        "root",
        "root/etc/passwd",
        "parent",
        "parent/",
        "parent/outside/secret.txt",
        "zero",
        "self-descriptor/0",
        "twin",
    ],
)
def test_link_that_leaves_is_not_found(client: Client, links: Path, name: str) -> None:
    assert (links / name).exists() or name == "self-descriptor/0"
    response = client.ask(f"/links/{name}")
    assert response.status == 404
    assert SECRET not in response.body


def test_link_that_leaves_and_comes_back_gives_nothing_away(client: Client, links: Path) -> None:
    assert (links / "out-and-in").is_symlink()
    response = client.ask("/links/out-and-in")
    assert response.status == 404 or response.body == HOME


@pytest.mark.parametrize("name", ["dangling", "loop", "loop/", "loop-a", "loop-a/x", "dangling/x"])
def test_link_that_leads_nowhere_is_not_found(client: Client, links: Path, name: str) -> None:
    assert not (links / name.partition("/")[0]).is_file()
    assert client.ask(f"/links/{name}").status == 404


def test_fifo_blocks_no_one(lone_loop: Server, docroot: Path) -> None:
    os.mkfifo(docroot / "fifo")
    with Client(lone_loop.port) as client:
        for method in ("GET", "HEAD"):
            assert client.ask("/fifo", method=method).status == 404
        assert client.ask("/fifo/").status == 404
        assert client.ask("/").body == HOME


def test_fifo_with_a_writer_is_not_read(lone_loop: Server, docroot: Path) -> None:
    path = docroot / "written-fifo"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.write(descriptor, SECRET)
        assert ask(lone_loop.port, "/written-fifo").status == 404
        assert os.read(descriptor, 100) == SECRET
    finally:
        os.close(descriptor)


def test_socket_is_no_file(client: Client, docroot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(docroot)  # the whole path can be too long for the address of a socket
        listener.bind("unix-socket")
        assert stat.S_ISSOCK((docroot / "unix-socket").stat().st_mode)
        assert client.ask("/unix-socket").status == 404


@pytest.mark.root
def test_device_is_no_file(client: Client, docroot: Path) -> None:
    try:
        os.mknod(docroot / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("needs the right to make a device, as outside of a container")
    assert client.ask("/zero").status == 404


@contextmanager
def served_to_anyone() -> Iterator[tuple[Path, Server]]:
    """Serve a directory as a user for whom permissions count, which they do not for root."""
    options = ["--user", "nobody"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as directory:
        docroot = Path(directory)
        docroot.chmod(
            0o755
        )  # all the directories above are open to anyone, unlike those of tmp_path
        with serve(docroot, *options, "--workers", "1") as server:
            yield docroot, server


def test_unreadable_file_or_directory_is_forbidden() -> None:
    with served_to_anyone() as (docroot, server):
        (docroot / "open.txt").write_bytes(b"open")
        (docroot / "locked.txt").write_bytes(SECRET)
        (docroot / "locked.txt").chmod(0)
        (docroot / "unlocked").symlink_to("locked.txt")
        (docroot / "locked").mkdir()
        (docroot / "locked" / "index.html").write_bytes(SECRET)
        (docroot / "locked").chmod(0)
        with Client(server.port) as client:
            assert client.ask("/open.txt").body == b"open"
            for target in ("/locked.txt", "/locked/", "/locked/index.html", "/unlocked"):
                response = client.ask(target)
                assert response.status == 403, target
                assert SECRET not in response.body
                assert client.ask(target, method="HEAD").status == 403, target
        (docroot / "locked").chmod(0o755)
        assert ask(server.port, "/locked/index.html?").body == SECRET


def test_targets_by_the_thousand_each_lead_to_their_file(client: Client, docroot: Path) -> None:
    directory = docroot / "many"
    directory.mkdir()
    for number in range(1000):
        (directory / f"{number} €.txt").write_text(str(number))
    for number in range(1000):
        assert client.ask(quote(f"/many/{number} €.txt")).body == str(number).encode()
        assert client.ask(f"/many/{number}").status == 404
