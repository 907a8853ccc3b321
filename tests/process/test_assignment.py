"""The page about the assignment: each command prints what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.process.launch import ROOT, free_port
from tests.process.shell import run_script
from tests.support import require

pytestmark = pytest.mark.debian("curl")

PAGE = ROOT / "docs" / "assignment.md"
END = "-- end of a command --"


def commands() -> list[tuple[str, list[str]]]:
    """Return the commands of the page, each with the lines that it has to print."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def test_assignment_page_commands_print_what_it_says(tmp_path: Path) -> None:
    require.command("curl", "curl")
    expected = commands()
    assert len(expected) > 20
    script = "".join(f"{command}\necho; echo '{END}'\n" for command, _ in expected)
    for port in ("8080", "8081"):
        script = script.replace(port, str(free_port()))
    done = run_script(script, tmp_path, cwd=ROOT, env={"TMPDIR": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
    printed = done.stdout.split(f"\n{END}\n")[:-1]
    for (command, lines), text in zip(expected, printed, strict=True):
        pattern = "\n".join(map(re.escape, lines)).replace("…", ".*")
        assert re.fullmatch(pattern, text.replace("\r", "").removesuffix("\n")), (command, text)
