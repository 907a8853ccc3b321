"""Where a setting comes from: an option beats the YAML, the YAML beats the default."""

from __future__ import annotations

import re
from pathlib import Path

from tests.process import proc
from tests.process.launch import Daemon, Foreground, foreground, free_port, write_config
from tests.support.raw import ask


def test_option_beats_yaml_beats_default(site: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "start.html").write_text("other\n")
    options = ["--base", str(other), "--workers", "1", "--threads", "3"]
    with foreground(site, *options, index="start.html", expires="90m", threads=1) as server:
        response = ask(server.port, "/")
        assert response.body == b"other\n"
        assert response["Cache-Control"] == "max-age=5400"
        assert len(server.workers()) == 1
        assert any(re.search("with 1 workers? of 3 loops", line) for line in server.out.seen)


def test_docroot_is_another_name_of_base(site: Path, tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "a.yaml", docroot=str(tmp_path), host="127.0.0.1", port=0, pidfile="a.pid"
    )
    server = Foreground("-c", config, "--verbose", "--docroot", site)
    try:
        server.wait_until_ready()
        assert ask(server.port, "/").body == b"<p>hello\n"
        assert server.stop() == 0
    finally:
        server.kill()


def test_defaults_are_those_of_the_documentation(site: Path, tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "a.yaml", docroot=str(site), host="127.0.0.1", port=0, pidfile="a.pid"
    )
    server = Foreground("-c", config, "--verbose", "--workers", "1")
    try:
        server.wait_until_ready()
        assert any("of 4 loops" in line for line in server.out.seen)
        assert ask(server.port, "/")["Cache-Control"] == "max-age=43200"
        assert server.stop() == 0
    finally:
        server.kill()


def test_paths_in_the_config_file_are_relative_to_it(tmp_path: Path, site: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    server = Daemon(site, docroot="site", pidfile="phttpd.pid", log_file="phttpd.log")
    done = server.run(cwd=elsewhere)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert ask(server.port, "/").body == b"<p>hello\n"
    assert server.log.path.exists()
    assert server.run("stop", cwd=elsewhere).returncode == 0
    assert list(elsewhere.iterdir()) == []


def test_paths_on_the_command_line_are_relative_to_the_working_directory(
    tmp_path: Path, site: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    server = Daemon(site, docroot="site", pidfile="in-yaml.pid")
    words = ["--base", "../site", "--pidfile", "my.pid", "--log-file", "my.log"]
    done = server.run(*words, cwd=elsewhere)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in elsewhere.iterdir()) == [
        "my.log",
        "my.pid",
        "my.pid.lock",
    ]
    assert ask(server.port, "/").body == b"<p>hello\n"
    assert server.run("stop", "--pidfile", "my.pid", cwd=elsewhere).returncode == 0


def test_config_file_may_ask_for_the_foreground(site: Path) -> None:
    server = Daemon(site, daemon=False, verbose=True, port=0)
    process = Foreground("-c", server.config)
    try:
        process.wait_until_ready()
        assert process.stop() == 0
    finally:
        process.kill()


def test_verbose_in_the_config_file_is_obeyed(site: Path) -> None:
    server = Daemon(site, verbose=True, port=free_port())
    server.start()
    assert "Using Python" in server.log.text()
    assert server.run("stop").returncode == 0
    assert proc.marked(f"PHTTPD_TEST_MARK={site.parent}") == []
