"""A mistake in the configuration: file, line, key, what was found and what is allowed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.process.launch import daemon, run
from tests.support.raw import ask

NO_INPUT, CONFIG = 66, 78


def complaints(path: Path, status: int = CONFIG) -> list[str]:
    """Return the lines on stderr of a check that fails because of the configuration."""
    done = run("--check", "-c", path)
    assert (done.returncode, done.stdout) == (status, ""), done
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()


def written(directory: Path, text: str) -> Path:
    path = directory / "phttpd.yaml"
    path.write_text(text)
    return path


MISSPELT = {
    "prot": "port",
    "Port": "port",
    "doc_root": "docroot",
    "worker": "workers",
    "keepalive-timeout": "keepalive_timeout",
    "logfile": "log_file",
}


def test_misspelt_key_is_named_with_the_nearest_one(site: Path, tmp_path: Path) -> None:
    text = "".join(f"{wrong}: 1\n" for wrong in MISSPELT)
    path = written(tmp_path, f"docroot: {site}\n# a comment\n\n{text}")
    lines = complaints(path)
    assert len(lines) == len(MISSPELT)
    for number, (line, (wrong, right)) in enumerate(zip(lines, MISSPELT.items(), strict=True), 4):
        assert f"{path}:{number}: {wrong}: " in line
        assert re.search(rf"(?<!\w){right}(?!\w)", line.partition(f"{wrong}: ")[2])


def test_key_unlike_all_others_gets_no_suggestion(site: Path, tmp_path: Path) -> None:
    path = written(tmp_path, f"docroot: {site}\nxyzzy_plugh_quux: 1\n")
    (line,) = complaints(path)
    assert f"{path}:2: xyzzy_plugh_quux: " in line


IMPOSSIBLE = [
    "port: http",
    "port: 65536",
    "port: -1",
    "port: 80.5",
    "port: true",
    "port: [80]",
    "port: 99999999999999999999999",
    "host: 5",
    "host: []",
    "host: [127.0.0.1, 7]",
    "host: {a: b}",
    "host: not an address",
    "docroot: 5",
    "docroot: ''",
    "index: 5",
    "index: ../secret.html",
    "recv: 0",
    "recv: -5",
    "recv: 64 kilo",
    "recv: .inf",
    "workers: 0",
    "workers: many",
    "workers: 1.5",
    "threads: 0",
    "threads: four",
    "threads: auto",
    "backlog: 0",
    "backlog: .nan",
    "keepalive_timeout: soon",
    "keepalive_timeout: -1s",
    "keepalive_timeout: .nan",
    "keepalive_timeout: .inf",
    "keepalive_timeout: 1999-12-31",
    "header_timeout: 0s",
    "header_timeout: [1s]",
    "send_timeout: 5 apples",
    "drain_timeout: five minutes",
    "max_connections: 0",
    "max_connections: lots",
    "listing: maybe",
    "precompressed: gzip",
    "charset: no",
    "max_body: endless",
    "expires: never",
    "rules: none",
    "cache: -1MiB",
    "cache: huge",
    "user: 5.5",
    "user: [nobody]",
    "pidfile: 5",
    "log_file: {}",
    "verbose: perhaps",
    "verbose: 2",
    "daemon: 'on and off'",
]


def rounds() -> Iterator[list[str]]:
    """Yield all of IMPOSSIBLE in as few files as can be: no key may come twice in one."""
    by_key: dict[str, list[str]] = {}
    for setting in IMPOSSIBLE:
        by_key.setdefault(setting.partition(":")[0], []).append(setting)
    for round_ in zip_longest(*by_key.values()):
        yield [setting for setting in round_ if setting is not None]


@pytest.mark.parametrize("settings", list(rounds()), ids=len)
def test_impossible_value_is_refused(site: Path, tmp_path: Path, settings: list[str]) -> None:
    if not any(setting.startswith("docroot") for setting in settings):
        settings.append(f"docroot: {site}")
    path = written(tmp_path, "# one\n" + "\n".join(settings))
    lines = complaints(path)
    for number, setting in enumerate(settings, start=2):
        key = setting.partition(":")[0]
        pattern = rf"{re.escape(str(path))}:{number}: {key}: [^;]+; .+"
        found = [line for line in lines if re.search(pattern, line)]
        assert len(found) == (setting in IMPOSSIBLE), (setting, lines)
    assert len(lines) == sum(setting in IMPOSSIBLE for setting in settings)


def test_value_that_contains_itself_is_refused(site: Path, tmp_path: Path) -> None:
    path = written(tmp_path, f"docroot: {site}\nhost: &a [*a]\n")
    (line,) = complaints(path)
    assert f"{path}:2: host: " in line


@pytest.mark.parametrize("key", ["port", "recv"])
def test_aliases_that_mean_a_billion_items_are_refused(
    site: Path, tmp_path: Path, key: str
) -> None:
    lists = ", ".join(f"&a{i + 1} [{', '.join([f'*a{i}'] * 9)}]" for i in range(20))
    path = written(tmp_path, f"docroot: {site}\n{key}: [&a0 [a], {lists}]\n")
    (line,) = complaints(path)
    assert f"{path}:2: {key}: [a list, a list, " in line
    assert len(line) < 400


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    text = "port: http\ntreads: 4\nrecv: 0\nverbose: perhaps\ndocroot: gone\n"
    lines = complaints(path := written(tmp_path, text))
    keys = ["port", "treads", "recv", "verbose", "docroot"]
    assert len(lines) == len(keys)
    for number, key in enumerate(keys, start=1):
        assert any(f"{path}:{number}: {key}: " in line for line in lines)


@pytest.mark.parametrize("text", ["", "port: 8080\n", "---\n"])
def test_config_without_a_docroot_is_refused(tmp_path: Path, text: str) -> None:
    (line,) = complaints(written(tmp_path, text))
    assert "docroot" in line


@pytest.mark.parametrize("text", ["- docroot\n", "just words\n", "null\n...\n--- {}\n"])
def test_config_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    lines = complaints(path := written(tmp_path, text))
    assert str(path) in lines[0]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("port: 80\ndocroot: [www\n", 3),
        ("port: 80\n\tdocroot: www\n", 2),
        ("port: 80\nport 81\nhost: x\n", 3),
        ("port: 'eighty\n", 2),
        ("docroot: *anchor\n", 1),
        ("docroot: @www\n", 1),
    ],
)
def test_config_that_is_not_yaml_is_refused(tmp_path: Path, text: str, line: int) -> None:
    lines = complaints(path := written(tmp_path, text))
    assert len(lines) == 1
    assert re.search(rf"{re.escape(str(path))}:\d+: ", lines[0])
    found = int(re.findall(r":(\d+): ", lines[0])[0])
    assert abs(found - line) <= 1


@pytest.mark.parametrize(
    "data", [b"docroot: \xff\xfe\x00\n", b"docroot: a\0b\n", b"\x7fELF\x02\x01\x01\0\0", b"\x80"]
)
def test_config_that_is_not_text_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "phttpd.yaml"
    path.write_bytes(data)
    lines = complaints(path)
    assert len(lines) == 1
    assert str(path) in lines[0]


def test_config_that_is_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    for words in [["--check"], ["--foreground"], ["reload"]]:
        done = run(*words, "-c", path)
        assert (done.returncode, done.stdout) == (CONFIG, "")
        assert done.stderr.startswith(f"phttpd: {path}: is not a regular file")


def test_config_that_is_a_link_to_dev_null_means_the_defaults(tmp_path: Path, site: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/dev/null")
    done = run("--check", "-c", link, "--base", site)
    assert (done.returncode, done.stderr) == (0, "")


def test_config_that_becomes_a_fifo_does_not_hang_a_reload(site: Path) -> None:
    with daemon(site) as server:
        server.config.unlink()
        os.mkfifo(server.config)
        done = run("reload", "--pidfile", server.pidfile)
        assert done.returncode == CONFIG
        assert f"nothing has changed: {server.config}: is not a regular file" in done.stderr
        assert ask(server.port, "/").status == 200


def test_failed_reload_names_each_mistake_on_its_own_line(site: Path) -> None:
    with daemon(site) as server:
        mistakes = ["port: x", "threads: 0"]
        server.config.write_text("\n".join([f"docroot: {site}", *mistakes, "prot: 1", "xyz: 1"]))
        done = run("reload", "--pidfile", server.pidfile)
        assert (done.returncode, done.stdout) == (CONFIG, "")
        head, *reasons = done.stderr.splitlines()
        assert head == "phttpd: the reload failed, nothing has changed:"
        places = ["4: prot: ", "5: xyz: ", "2: port: ", "3: threads: "]
        assert len(reasons) == len(places)
        for reason, place in zip(reasons, places, strict=True):
            assert reason.startswith(f"phttpd:   {server.config}:{place}")
        errors = [line for line in server.log.lines() if " error supervisor" in line]
        assert [line.partition("]: ")[2] for line in errors] == [
            line.removeprefix("phttpd: ") for line in done.stderr.splitlines()
        ]
        assert ask(server.port, "/").status == 200


def test_failed_upgrade_names_each_mistake_on_its_own_line(site: Path) -> None:
    with daemon(site) as server:
        server.configure(port="x", threads=0)
        done = server.run("upgrade")
        assert done.returncode == CONFIG
        head, *reasons = done.stderr.splitlines()
        assert head == "phttpd: the upgrade failed, nothing has changed:"
        assert len(reasons) == 2


def test_known_keys_are_listed_once(site: Path, tmp_path: Path) -> None:
    rules = "rules:\n- {path: /, expires: 0, qqq: 1}\n- {path: /, expires: 0, www: 1}\n"
    lines = complaints(written(tmp_path, f"docroot: {site}\nxyz: 1\nabc: 2\nport: x\n{rules}"))
    assert len(lines) == 5
    assert sum("; known are host, port, " in line for line in lines) == 1
    assert sum("; known are path, expires, " in line for line in lines) == 1


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/stdin", "/proc/self/fd/0", "/"])
def test_config_that_is_no_regular_file_is_refused(path: str) -> None:
    (line,) = complaints(Path(path), NO_INPUT if path == "/" else CONFIG)
    assert line.startswith(f"phttpd: {path}: ")


def test_config_that_is_dev_null_means_the_defaults(site: Path) -> None:
    """Neither one that is named nor the default."""
    done = run("--check", "-c", os.devnull, "--base", site)
    assert (done.returncode, done.stderr) == (0, "")


def test_config_runs_no_code(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    path = written(tmp_path, f"docroot: !!python/object/apply:os.mkdir ['{trap}']\n")
    lines = complaints(path)
    assert len(lines) == 1
    assert f"{path}:1: " in lines[0]
    assert not trap.exists()


def test_key_given_twice_is_refused(site: Path, tmp_path: Path) -> None:
    path = written(tmp_path, f"docroot: {site}\nport: 8080\nthreads: 4\nport: 8081\n")
    (line,) = complaints(path)
    assert f"{path}:4: port: " in line


def test_control_characters_of_a_config_do_not_reach_the_terminal(
    site: Path, tmp_path: Path
) -> None:
    path = written(tmp_path, f'docroot: {site}\n"po\\e[31mrt\\n": 1\nindex: "a\\e[0m/b"\n')
    done = run("--check", "-c", path)
    assert done.returncode == CONFIG
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["stop", "--check"], "--check"),
        (["status", "--check"], "--check"),
        (["--json"], "--json"),
        (["reload", "--json"], "--json"),
        (["reload", "--port", "1"], "--port"),
        (["stop", "--recv=5"], "--recv"),
        (["status", "--docroot", "x"], "--docroot"),
        (["upgrade", "--base", "x"], "--base"),
        (["--foreground", "-c", "a.yaml", "reload"], "--foreground"),
        (["stop", "--host", "a", "--pidfile", "b"], "--host"),
        (["status", "--verbose", "--json"], "--verbose"),
        (["--config", "", "--check"], "--config"),
        (["-c", "", "stop"], "--config"),
    ],
)
def test_option_without_effect_on_the_command_is_refused(words: list[str], wrong: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (64, "")
    assert re.fullmatch(rf"phttpd: {wrong}:? .*", done.stderr.strip())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--prot", "8080"], "--prot: unknown option; did you mean --port?"),
        (["--prot=8080"], "--prot: unknown option; did you mean --port?"),
        (["reload", "--confg", "a.yaml"], "--confg: unknown option; did you mean --config?"),
        (["--prot", "8080", "stop"], "--prot: unknown option; did you mean --port?"),
        (["--verb"], "--verb: unknown option; did you mean --verbose?"),
        (["-p", "8080"], "-p: unknown option; known are --"),
        (
            ["--base", ".", "restart"],
            "'restart' is neither a directory nor a command (start, stop, ",
        ),
        (["8080"], "'8080' is neither a directory nor a command ("),
        (["stop", "now"], "'now': there is a command already"),
        (["--port", "-1", ""], "'' is neither a directory nor a command"),
        (["stop", ""], "'': there is a command already"),
    ],
)
def test_misspelt_command_is_refused(words: list[str], said: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr.startswith(f"phttpd: {said}")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--base", "/gone"], "--base: no such directory: /gone"),
        (["--docroot", "/gone"], "--docroot: no such directory: /gone"),
        (["--docroot=/gone"], "--docroot: no such directory: /gone"),
        (["/gone"], "no such directory: /gone"),
        (["/dev/null"], "not a directory: /dev/null"),
        (["--base", "/dev/null"], "--base: not a directory: /dev/null"),
        (["--base", "/", "--user", "nosuch"], "--user: no such user: nosuch"),
        (["--base", "/", "--group", "nosuch"], "--group: no such group: nosuch"),
        (["--base", "/", "--log-file", ""], "--log-file: '' is not allowed here; expected "),
        (["--base", "/", "--host", "a b"], "--host: 'a b' is not allowed here; expected "),
        (["--base", "/", "--host", "127.0.0.1:80"], "--host: '127.0.0.1:80' is not allowed here; "),
        (["--base", "/", "--host", "a", "--host", "b c"], "--host: 'b c' is not allowed here; "),
    ],
)
def test_option_is_named_as_it_was_typed(words: list[str], said: str) -> None:
    done = run("--check", *words)
    status = 64 if "not allowed" in said else NO_INPUT
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(f"phttpd: {said}")


def test_daemon_whose_config_is_not_yaml_any_more_is_stopped_by_its_pidfile(site: Path) -> None:
    with daemon(site) as server:
        server.config.write_text("port: [80\n")
        for word in ["status", "stop"]:
            done = server.run(word)
            assert (done.returncode, done.stdout) == (CONFIG, "")
            assert "; --pidfile FILE finds the daemon without it" in done.stderr
        done = server.run("stop", "--pidfile", server.pidfile)
        assert (done.returncode, done.stderr) == (0, "")
