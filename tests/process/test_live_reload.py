"""``phttpd DIR --watch``: what is put into pages, and how they learn of changes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.process.launch import Foreground, run
from tests.process.test_preview import preview
from tests.support.raw import Client, Response, ask, request

TAG = re.compile(rb'<script async src="/\.phttpd/reload\.js\?(\d+)"></script>\n\Z')
EVENTS = "/.phttpd/reload"


def version_of(page: Response) -> str:
    match = TAG.search(page.body)
    assert match, page
    return match[1].decode()


def test_page_has_the_script_at_its_end(site: Path) -> None:
    (site / "large.html").write_text("<p>large" * 100_000)
    (site / "empty.html").touch()
    (site / "sub").mkdir()
    (site / "sub" / "index.html").write_text("<html><body><p>unclosed")
    with preview(site, "--watch") as server:
        for name in ("", "large.html", "empty.html", "sub/"):
            page = ask(server.port, f"/{name}")
            file = site / (f"{name}index.html" if name in ("", "sub/") else name)
            assert page.status == 200
            assert TAG.sub(b"", page.body) == file.read_bytes()
            assert page["content-type"] == "text/html; charset=utf-8"
            assert page["cache-control"] == "no-cache"
            assert version_of(page)
            head = ask(server.port, f"/{name}", method="HEAD")
            assert head["content-length"] == str(len(page.body))
            assert head["etag"] == page["etag"]
        script = ask(server.port, "/.phttpd/reload.js")
        assert script["content-type"] == "text/javascript; charset=utf-8"
        assert b"EventSource" in script.body


def test_other_files_are_served_as_they_are(site: Path) -> None:
    (site / "a.css").write_text("p { color: red }")
    (site / "a.txt").write_text("<p>no page")
    (site / "utf16.html").write_bytes("<p>ü".encode("utf-16"))
    with preview(site, "--watch") as server:
        for name in ("a.css", "a.txt", "utf16.html"):
            assert ask(server.port, f"/{name}").body == (site / name).read_bytes()
        part = ask(server.port, "/a.css", "Range: bytes=0-0")
        assert (part.status, part.body) == (206, b"p")
        assert b"script" not in ask(server.port, "/missing").body


def test_preview_without_watch_has_no_script_and_no_events(site: Path) -> None:
    with preview(site) as server:
        assert ask(server.port, "/").body == (site / "index.html").read_bytes()
        assert ask(server.port, EVENTS).status == 404
        assert ask(server.port, "/.phttpd/reload.js").status == 404


def test_page_is_a_representation_of_its_own(site: Path) -> None:
    """Neither a part, nor a date, nor a precompressed form is of what is sent."""
    (site / "index.html.gz").write_bytes(b"not read")
    with preview(site, "--watch") as server:
        page = ask(server.port, "/", "Accept-Encoding: gzip")
        assert "content-encoding" not in page
        assert "vary" not in page
        assert page["accept-ranges"] == "none"
        assert ask(server.port, "/", "Range: bytes=0-0").status == 200
        assert ask(server.port, "/", f"If-Modified-Since: {page['last-modified']}").status == 200
        same = ask(server.port, "/", f"If-None-Match: {page['etag']}")
        assert same.status == 304
        assert same["etag"] == page["etag"]
        with Client(server.port) as client:
            client.send(request(f"{EVENTS}?{version_of(page)}"))
            (site / "other.html").touch()
            assert client.response().status == 200
        again = ask(server.port, "/", f"If-None-Match: {page['etag']}")
        assert again.status == 200
        assert version_of(again) != version_of(page)


def test_change_is_told_to_all_that_listen(site: Path) -> None:
    with preview(site, "--watch", "--threads", "2") as server:
        version = version_of(ask(server.port, "/"))
        clients = [Client(server.port) for _ in range(10)]
        try:
            for client in clients:
                client.send(request(f"{EVENTS}?{version}"))
            (site / "sub").mkdir()
            told = {client.response().body for client in clients}
            new = version_of(ask(server.port, "/"))
        finally:
            for client in clients:
                client.close()
    assert new != version
    assert told == {f"event: reload\ndata: {new}\nretry: 100\n\n".encode()}


def test_version_of_another_start_is_told_at_once(site: Path) -> None:
    with preview(site, "--watch") as server:
        event = ask(server.port, f"{EVENTS}?1")
    assert event["content-type"] == "text/event-stream"
    assert event["cache-control"] == "no-store"
    assert event.body.startswith(b"event: reload\ndata: ")


def test_head_and_other_methods_do_not_wait(site: Path) -> None:
    with preview(site, "--watch") as server:
        assert ask(server.port, EVENTS, method="HEAD").status == 200
        assert ask(server.port, EVENTS, method="POST").status == 405


def test_stop_ends_the_wait_for_a_change(site: Path) -> None:
    with preview(site, "--watch") as server, Client(server.port) as client:
        client.send(request(EVENTS), request("/"))
        assert server.stop() == 0
        response = client.response()
        assert (response.status, response.body) == (200, b"retry: 100\n\n")
    assert "was cut" not in "".join(server.err.seen)


def test_several_workers_are_refused(site: Path) -> None:
    done = run(site, "--watch", "--workers", "2", "--port", "0")
    assert done.returncode == 64
    assert done.stderr == "phttpd: --watch needs one worker; leave --workers out\n"


@pytest.mark.root
def test_limits_of_inotify_are_told(site: Path) -> None:
    """In a user namespace of its own, whose limits are set for this test alone."""
    (site / "a" / "b").mkdir(parents=True)
    limit = 'echo {} > /proc/sys/user/max_inotify_{}; exec "$@"'

    def limited(what: str, number: int) -> tuple[str, ...]:
        return (
            "unshare",
            "--user",
            "--map-root-user",
            "sh",
            "-c",
            limit.format(number, what),
            "sh",
        )

    server = Foreground(site, "--watch", "--port", "0", prefix=limited("watches", 2))
    try:
        server.err.wait_for("only 2 directories below .* are watched: .*max_user_watches")
        assert server.stop() == 0
    finally:
        server.kill()
    done = run(site, "--watch", "--port", "0", prefix=limited("instances", 0))
    assert done.returncode != 0
    assert "cannot watch" in done.stderr
    assert "fs.inotify.max_user_instances" in done.stderr
