"""Commands in a checkout: with its own config file, and the examples of the manual page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from httpd.arguments import COMMANDS
from tests.process.checkout import Checkout
from tests.process.launch import PHTTPD, ROOT, free_port

MAN_PAGE = (ROOT / "docs" / "man" / "phttpd.8").read_text("utf-8")
EXAMPLES = re.findall(
    r"^\.Dl phttpd (.*)$", MAN_PAGE.partition("\n.Sh EXAMPLES\n")[2], re.MULTILINE
)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    checkout = Checkout(tmp_path)
    yield checkout
    checkout.run("stop")
    checkout.run("stop", "--pidfile", str(checkout.home / "pid"))


def test_commands_without_options_use_the_config_file_of_the_checkout(checkout: Checkout) -> None:
    done = checkout.run("--check")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"OK: {checkout.path}/etc/phttpd.yaml: {checkout.path}/www at ")
    assert checkout.run("status").returncode == 3
    for command in "start", "status", "reload", "upgrade", "status", "stop":
        done = checkout.run(command)
        assert (done.returncode, done.stderr) == (0, ""), command
        assert ("is serving" in done.stdout) is (command == "status")
    assert checkout.run("status").returncode == 3
    assert [path.name for path in (checkout.path / "logs").iterdir()] == ["phttpd.log"]


def test_examples_of_the_man_page_succeed(checkout: Checkout) -> None:
    config = checkout.home / "site.yaml"
    config.write_text(f"docroot: public\nport: {free_port()}\npidfile: pid\nlog_file: log\n")
    assert {*COMMANDS, "--check"} <= set(" ".join(EXAMPLES).split())
    for example in EXAMPLES:
        words = [
            word.replace("~", str(checkout.home)).replace("site.yaml", str(config))
            for word in shlex.split(example)
        ]
        if {*COMMANDS, "--check"} & set(words):
            done = checkout.run(*words)
            assert (done.returncode, done.stderr) == (0, ""), example
        else:
            if "--port" not in words:
                words += ["--port", "0"]
            assert "--verbose" not in words
            words = [str(free_port()) if word.isdecimal() else word for word in words]
            ended = checkout.interrupt_when_ready(*PHTTPD, *words, "--verbose")
            assert ended == (0, []), example
