"""Each key that the config file may have is read by the code that serves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from httpd.configuration import KEYS
from tests.process.launch import ROOT, environment, write_config
from tests.process.recorder import UNUSED
from tests.support.raw import Client, ask, request
from tests.support.server import DEADLINE, READY, Lines


def keys_read(site: Path, env: Mapping[str, str] = {}, **settings: bool) -> set[str]:
    """Return the keys that a server reads which starts, serves a file and a body, and stops."""
    config = write_config(
        site.with_name("phttpd.yaml"),
        docroot=str(site),
        host="127.0.0.1",
        port=0,
        workers=1,
        threads=1,
        pidfile="phttpd.pid",
        **settings,
    )
    record = site.with_name("read")
    command = [sys.executable, "-m", "tests.process.recorder", record, "-c", config]
    with subprocess.Popen(
        [*map(str, command), "--foreground", "--verbose"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(env),
    ) as process:
        assert process.stdout
        try:
            out = Lines(process.stdout)
            port = int(out.wait_for(READY)[1])
            assert ask(port, "/").status == 200
            with Client(port) as client:
                client.send(request("/", "Content-Length: 3", method="POST") + b"abc")
                client.response()
        finally:
            process.terminate()
        assert process.wait(DEADLINE) == 0
    return set(record.read_text().split())


def test_key_is_read_by_the_code_that_serves(site: Path) -> None:
    assert set(KEYS) - keys_read(site) == set(), "declared, and never read"


def test_key_that_nothing_reads_is_found(site: Path) -> None:
    read = keys_read(site, {"UNUSED_KEY": "1"}, never_read=True)
    assert UNUSED not in read
    assert read == set(KEYS)
