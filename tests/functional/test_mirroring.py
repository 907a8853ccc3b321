"""Programs that copy a site by its listings get all of it, byte for byte, whatever names it has."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.functional.configured import serve_with
from tests.support import require
from tests.support.server import DEADLINE

pytestmark = pytest.mark.debian("lftp", "rclone", "wget")

NAMES = [
    b"a:b.tar",
    b"it's",
    b"a b",
    b" begins and ends with blanks ",
    b"100%",
    b"?query",
    b"#part",
    b"<b>&\"'",
    b"back\\slash",
    b"`quoted` (a)[b]{c}|d^e",
    b"a+b=c&d;e,f@g$h!i*j",
    b"javascript:alert(1)",
    b"-dash",
    b"\xc3\xa9\xf0\x9f\x99\x82",
    b"\xe2\x80\xaeevil",
    b"\xff\xfe",
    b"new\nline\ttab",
    b"\x01\x7f",
    b"x" * 200,
]
# Names that a program gets wrong by itself, from any server: rclone skips directories with a colon,
# lftp takes a tilde for a home directory, and wget decodes twice.
COMMANDS = {
    "rclone": ("rclone copy --config /dev/null --http-url {url} :http: {copy}", [b"~", b"%41"]),
    "lftp": ("lftp -c 'set net:max-retries 1; mirror {url} {copy}'", [b"%41"]),
    "wget": (
        "wget -nv -r -np -nH --restrict-file-names=nocontrol -P {copy} {url}",
        [b"~", b"directory:"],
    ),
}


def tree(root: Path) -> dict[bytes, bytes]:
    """Return the bytes of all files below a directory, by their names below it."""
    return {
        os.fsencode(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != "index.html"  # wget keeps the listings
    }


@pytest.mark.parametrize("client", COMMANDS)
def test_listing_leads_a_client_to_every_file_once(client: str, tmp_path: Path) -> None:
    require.command(client, client)
    text, more = COMMANDS[client]
    site = tmp_path / "site"
    for directory in (site, site / "it's deep", site / "it's deep" / "& deeper"):
        directory.mkdir()
        for name in (*NAMES, *more):
            if name.endswith(b":"):
                (directory / os.fsdecode(name)).mkdir()
                (directory / os.fsdecode(name) / "a").write_bytes(name)
            else:
                (directory / os.fsdecode(name)).write_bytes(name + os.fsencode(directory))
    copy = tmp_path / "copy"
    with serve_with(site, listing=True) as server:
        done = subprocess.run(
            text.format(url=f"{server.url}/", copy=copy),
            shell=True,
            capture_output=True,
            timeout=2 * DEADLINE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        server.stop()
        assert tree(copy) == tree(site)
        assert not any("?sort=" in line for line in server.out.seen)
