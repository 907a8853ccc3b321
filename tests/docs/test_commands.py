"""The commands of the tutorial and the how-to pages print what the pages show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from httpd.arguments import COMMANDS
from tests.docs.pages import (
    DOCS,
    INTERRUPT,
    ROOT,
    SUPERUSER,
    USER,
    Command,
    blocks,
    commands,
    matches,
    transcripts,
)
from tests.docs.pages import pages as all_pages
from tests.process.launch import free_port
from tests.process.launch import run as phttpd
from tests.process.shell import run_script
from tests.support import require

PAGES = [
    path
    for path in all_pages()
    if path not in (ROOT / "README.md", DOCS / "assignment.md")  # they have tests of their own
    if any(command.prompt == USER for command in transcripts(path))
]
CONFIGS = [
    (path, number, block.text)
    for path in all_pages()
    for number, block in enumerate(blocks(path))
    if block.language == "yaml" and (not block.path or "phttpd" in block.path)
]
PACKAGES = {
    "brotli": "brotli",
    "curl": "curl",
    "fail2ban-regex": "fail2ban",
    "gzip": "gzip",
    "haproxy": "haproxy",
    "jq": "jq",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "promtool": "prometheus",
    "rsync": "rsync",
    "wget": "wget",
    "zstd": "zstd",
}
"""Programs that pages use, and the Debian packages that have them."""
NOT_SERVING = {*COMMANDS, "--check", "--daemon", "--help", "--version"}
END = "-- end of a command --"


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.debian(*PACKAGES.values())
@pytest.mark.parametrize("page", PAGES, ids=map(name, PAGES))
def test_commands_of_a_page_print_what_it_shows(page: Path, tmp_path: Path) -> None:
    for command in transcripts(page):
        for program in PACKAGES.keys() & set(re.findall(r"[\w-]+", command.text)):
            require.command(program, PACKAGES[program])
    expected, script = translate(page)
    programs, home = tmp_path / "bin", tmp_path / "home"
    programs.mkdir()
    home.mkdir()
    shell = run_script(script, programs, cwd=home, env={"HOME": str(home), "TMPDIR": str(tmp_path)})
    printed = re.split(rf"{END} (\d+)\n", shell.stdout)
    results = list(zip(printed[::2], printed[1::2], strict=False))
    for command, (text, status) in zip(expected, results, strict=False):
        assert status == "0", (command.text, text, shell.stderr)
        assert not command.output or matches(command.output, text), (command, text)
    assert len(results) == len(expected), shell


def translate(page: Path) -> tuple[list[Command], str]:
    """Return the commands of a page, and one script that runs them and marks where each ends.

    Ports are those of this machine that are free. A server in the foreground runs beside the script
    until the page says Ctrl-C.
    """
    ports: dict[str, str] = {}

    def free(match: re.Match[str]) -> str:
        return ports.setdefault(match[0], str(free_port()))

    expected, lines = [], []
    default = str(free_port())
    ports["8080"] = default
    for block in blocks(page):
        text = re.sub(r"\b(?:8[04]\d\d|9180)\b", free, block.text)
        if block.language == "console":
            for command in commands(block._replace(text=text)):
                if command.prompt != SUPERUSER:
                    serves = is_server(command)
                    expected.append(command._replace(output=[] if serves else command.output))
                    lines += [shell_line(command, default), f'echo "{END} $?"']
        elif block.path and not block.path.startswith("/"):
            path = shlex.quote(block.path)
            lines.append(f"mkdir -p $(dirname {path}); cat > {path} <<'END'\n{text}END")
    return expected, "\n".join(lines)


def is_server(command: Command) -> bool:
    """Tell whether a command is a server in the foreground."""
    words = command.text.split()
    return words[0] == "phttpd" and not {*NOT_SERVING, "|", "&"} & set(words)


def shell_line(command: Command, default: str) -> str:
    """Return a command as a script has it."""
    if command.text == INTERRUPT:
        return "kill -INT $server; wait $server"
    if not is_server(command):
        return command.text
    port = re.search(r"--port[ =](\d+)", command.text)
    text = command.text if port else f"{command.text} --port {default}"
    url = f"http://localhost:{port[1] if port else default}/"
    wait = f"curl --silent --output /dev/null --retry 20 --retry-connrefused {url}"
    return f"{text} > server.log 2>&1 & server=$!; {wait}"


def config_ids() -> Iterator[str]:
    for path, number, _ in CONFIGS:
        yield f"{name(path)}-{number}"


@pytest.mark.parametrize(("page", "number", "text"), CONFIGS, ids=config_ids())
def test_config_of_a_page_has_no_mistake(
    page: Path, number: int, text: str, tmp_path: Path
) -> None:
    # A directory that every user can read, whatever user the page names.
    text = re.sub(r"^docroot: .*", "", text, flags=re.MULTILINE) + "docroot: /usr\n"
    text = re.sub(r"^( +)docroot: .*?(/\*)?$", r"\1docroot: /usr\2", text, flags=re.MULTILINE)
    (tmp_path / "phttpd.yaml").write_text(text)
    done = phttpd("--config", "phttpd.yaml", "--check", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
