"""nginx before the server, which strips a prefix that the server does not know of."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.functional.site import GUIDE
from tests.support.raw import ask
from tests.support.require import command
from tests.support.server import DEADLINE, Server

pytestmark = pytest.mark.debian("curl", "nginx-light")

CONFIG = """
worker_processes 1;
daemon off;
error_log stderr;
pid {directory}/nginx.pid;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory};
    proxy_temp_path {directory};
    fastcgi_temp_path {directory};
    uwsgi_temp_path {directory};
    scgi_temp_path {directory};
    server {{
        listen 127.0.0.1:{port};
        location /x/ {{ proxy_pass http://{upstream}/; }}
    }}
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def stripping_proxy(upstream: str, directory: Path) -> Iterator[int]:
    """Run nginx, which serves below /x/ what the upstream serves below /.

    Args:
        upstream: as in `proxy_pass`.
        directory: for the files of nginx.
    """
    nginx = command("nginx", "nginx-light")
    port = free_port()
    config = directory / "nginx.conf"
    config.write_text(CONFIG.format(directory=directory, port=port, upstream=upstream))
    # It says that it is ready when its first worker has started, and that after it listens.
    options = ["-p", str(directory), "-c", str(config), "-g", "error_log stderr notice;"]
    process = subprocess.Popen([nginx, *options], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        seen = []
        for line in process.stderr:
            seen.append(line)
            if "start worker process" in line:
                break
        else:
            pytest.fail("".join(seen))
        yield port
    finally:
        process.terminate()
        process.wait(DEADLINE)
        process.stderr.close()


def test_redirect_behind_a_proxy_keeps_the_prefix_that_it_strips(
    server: Server, tmp_path: Path
) -> None:
    curl = command("curl", "curl")
    colon = server.docroot / "a:b"
    colon.mkdir()
    (colon / "index.html").write_bytes(b"colon")
    with stripping_proxy(f"127.0.0.1:{server.port}", tmp_path) as port:
        for path, content in {
            "docs": b"docs",
            "docs?a=b": b"docs",
            "docs/deep/er": b"deeper",
            "gr%C3%BCn": b"green",
            "a%20b": b"spaced",
            "a:b": b"colon",
        }.items():
            url = f"http://127.0.0.1:{port}/x/{path}"
            options = ["--silent", "--show-error", "--noproxy", "*", "--fail", "--location"]
            options += ["--write-out", "\n%{url_effective}"]
            done = subprocess.run(
                [curl, *options, url], capture_output=True, timeout=DEADLINE, check=False
            )
            assert done.returncode == 0, done
            body, _, effective = done.stdout.rpartition(b"\n")
            assert body == content
            where, _, query = path.replace(":", "%3A").partition("?")
            assert (
                effective.decode()
                == f"http://127.0.0.1:{port}/x/{where}/{'?' * bool(query)}{query}"
            )
        assert ask(port, "/x/docs/guide.html").body == GUIDE
