"""`phttpd explain`: which response a request would get, and why."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from tests.process.launch import run

USAGE, CONFIG = 64, 78
ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for name in "www/a.html", "www/secret.html", "course/index.html":
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    path = tmp_path / "phttpd.yaml"
    path.write_text("""\
docroot: www
redirects:
  - path: /old/**
    to: /new/**
rules:
  - path: "*.html"
    headers: {X-Rule: "yes"}
sites:
  - name: course.example
    docroot: course
""")
    return path


def explain(config: Path, *words: str) -> Any:
    done = run("explain", *words, "--json", "--config", config)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_explanation_for_a_person(config: Path) -> None:
    root = config.parent
    done = run("explain", "/a.html", "-H", "Range: bytes=0-1", "--config", config)
    assert (done.returncode, done.stderr) == (0, "")
    why, _, head = done.stdout.partition("\n\n")
    assert why.splitlines() == [
        f"site        that of all other names, {config}:1",
        f"docroot     {root}/www",
        "decided by  file",
        f"file        {root}/www/a.html",
        f"rule        *.html, {config}:6",
        "cached      with the file, from its second request within a minute on",
        f"user        {ME}",
    ]
    lines = head.splitlines()
    assert lines[0] == "HTTP/1.1 206 Partial Content"
    assert {"X-Rule: yes", "Content-Range: bytes 0-1/10", "Content-Length: 2"} <= {*lines}


def test_redirect_is_explained_with_its_line(config: Path) -> None:
    done = run("explain", "http://any.example/old/ü?x#y", "--config", config)
    assert f"redirect    /old/** → /new/**, {config}:3\n" in done.stdout
    assert "\nLocation: /new/%C3%BC?x\n" in done.stdout
    report = explain(config, "/old/x")
    assert report["redirect"] == {"path": "/old/**", "to": "/new/**", "place": f"{config}:3"}
    assert (report["status"], report["decided_by"]) == (308, ["redirect"])


def test_site_is_explained_with_its_line(config: Path) -> None:
    course = {
        "name": "course.example",
        "place": f"{config}:9",
        "docroot": f"{config.parent}/course",
    }
    assert explain(config, "https://course.example:8443")["site"] == course
    assert explain(config, "/", "-H", "Host: Course.example")["site"] == course
    assert explain(config, "/")["site"]["name"] is None


def test_missing_file_is_explained(config: Path) -> None:
    report = explain(config, "/none.html")
    assert (report["status"], report["decided_by"], report["file"]) == (404, ["lookup"], None)
    assert [rule["place"] for rule in report["rules"]] == [f"{config}:6"]


@pytest.mark.root
def test_root_sees_what_the_user_of_the_server_sees(config: Path) -> None:
    for directory in config.parents:
        if directory.stat().st_uid == 0 and directory != Path("/tmp"):
            directory.chmod(0o755)
        if directory == Path("/tmp"):
            break
    (config.parent / "www/secret.html").chmod(0o600)
    report = explain(config, "/secret.html")
    assert (report["status"], report["user"]) == (200, "root")
    config.write_text(config.read_text() + "user: nobody\n")
    report = explain(config, "/secret.html")
    assert (report["status"], report["user"], report["server_user"]) == (403, "nobody", "nobody")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "explain: which request? Give a path such as /a.html, or a URL"),
        (("",), "explain: '' is not allowed here; expected a path such as /a.html, or a URL"),
        (("a.html",), "explain: 'a.html' is not allowed here; expected a path such as"),
        (("example.com/a",), "explain: 'example.com/a' is not allowed here; expected a path"),
        (("ftp://a/",), "explain: 'ftp://a/' is not allowed here; expected a path such as"),
        (("/a b",), "explain: '/a b' is not allowed here; expected a path such as"),
        (("/a\n",), r"explain: '/a\n' is not allowed here; expected a path such as"),
        (("#top",), "explain: '#top' is not allowed here; expected a path such as"),
        (("/a", "/b"), "'/b': there is a command already"),
        (("/", "-H", "x"), "-H: 'x' is not allowed here; expected a field such as 'Accept-En"),
        (("/", "-H", "a b: c"), "-H: 'a b: c' is not allowed here; expected a field such as"),
        (("/", "-H", "a: b\r\nc: d"), r"-H: 'a: b\r\nc: d' is not allowed here; expected a"),
        (("/", "--pidfile", "x"), "--pidfile does not go with 'explain'"),
        (("/", "--port", "80"), "--port does not go with 'explain'"),
    ],
)
def test_wrong_request_is_refused_with_what_is_right(
    config: Path, words: tuple[str, ...], message: str
) -> None:
    done = run("explain", *words, "--config", config)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr.startswith(f"phttpd: {message}")


@pytest.mark.parametrize("command", ["status", "start"])
def test_field_goes_with_no_other_command(config: Path, command: str) -> None:
    done = run(command, "-H", "a: b", "--config", config)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr.startswith(f"phttpd: -H does not go with '{command}'")


def test_wrong_configuration_is_reported_as_for_a_start(config: Path) -> None:
    config.write_text("docroot: www\nredirects: 5\n")
    done = run("explain", "/", "--config", config)
    assert done.returncode == CONFIG
    assert "a list of redirects" in done.stderr
