"""What the how-to pages tell root to type, on a machine that has the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, SUPERUSER, blocks, commands, matches, pages, transcripts
from tests.support import require
from tests.systemd.service import Service

PAGES = [
    path for path in pages() if any(command.prompt == SUPERUSER for command in transcripts(path))
]

PROGRAMS = {"curl": "curl", "logrotate": "logrotate", "nginx": "nginx-light"}


@pytest.mark.debian("curl", "logrotate", "nginx-light")
@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_of_root_print_what_a_page_shows(page: Path, service: Service) -> None:
    for program, package in PROGRAMS.items():
        if any(program in command.text.split() for command in transcripts(page)):
            require.command(program, package)
    machine = service.machine
    service.start()
    for block in blocks(page):
        if block.path and block.path.startswith("/"):
            machine.path(block.path).parent.mkdir(parents=True, exist_ok=True)
            machine.path(block.path).write_text(block.text)
        for command in commands(block) if block.language == "console" else ():
            if command.prompt == SUPERUSER:
                text = machine.run("bash", "-c", command.text)
                assert not command.output or matches(command.output, text), (command, text)
