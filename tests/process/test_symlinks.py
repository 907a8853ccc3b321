"""Links out of the docroot, as a running server follows them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.process.events import until
from tests.process.launch import Daemon
from tests.support.raw import ask


def test_directory_for_links_may_come_later_and_go_by_a_reload(site: Path) -> None:
    """A file system that is mounted late, for example."""
    data = site.parent / "data"
    (site / "file").symlink_to(data / "file")
    (site / "listed").mkdir()
    (site / "listed" / "linked").symlink_to(data)
    server = Daemon(site, symlinks=str(data), listing=True)
    fault = f"symbolic links may lead to {data}, which cannot be entered: No such file or directory"
    checked = server.run("--check")
    assert checked.returncode == 0
    assert f"symlinks: {fault}; make it, or let links lead elsewhere\n" in checked.stderr
    done = server.run()
    warning = f"{fault}; links into it are answered 404 until it can"
    assert (done.returncode, done.stderr) == (0, f"phttpd: warning: {warning}\n")

    def served() -> tuple[int, int, bool]:
        listing = ask(server.port, "/listed/")
        statuses = [ask(server.port, path).status for path in ("/file", "/listed/linked/")]
        return statuses[0], statuses[1], b'href="linked/"' in listing.body

    try:
        server.log.wait_for(rf"warning worker 0\S* {re.escape(warning)}")
        assert served() == (404, 404, False)
        data.mkdir()
        (data / "file").write_bytes(b"data")
        until(lambda: served() == (200, 200, True), "links lead into the directory")
        server.configure(symlinks="inside")
        assert server.run("reload").returncode == 0
        assert served() == (404, 404, False)
    finally:
        assert server.run("stop").returncode == 0
