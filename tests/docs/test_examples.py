"""Examples of the how-to pages that a test cannot run whole: their parts fit phttpd."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import DOCS, ROOT, Block, blocks, pages
from tests.process.events import until
from tests.process.launch import Foreground, free_port, run
from tests.support.raw import ask
from tests.support.server import DEADLINE, serve

HOW_TO = DOCS / "how-to"
MAKE = sorted(
    {
        line.removeprefix("sudo ").partition("#")[0].strip()
        for page in pages()
        for block in blocks(page)
        if block.language == "sh"
        for line in block.text.splitlines()
        if line.removeprefix("sudo ").startswith("make ")
    }
)


def example(page: str, path: str) -> Block:
    """Return the block of a page that shows this file."""
    (block,) = (block for block in blocks(HOW_TO / page) if block.path == path)
    return block


@pytest.mark.parametrize("command", MAKE)
def test_make_command_of_a_page_is_a_target(command: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", *shlex.split(command, comments=True)[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_containerfile_starts_phttpd_and_asks_for_its_health(tmp_path: Path) -> None:
    text = example("containers.md", "Containerfile").text
    entry, health = (
        json.loads(re.search(rf"^{name} (\[.*\])$", text, re.MULTILINE)[1])  # type: ignore[index]
        for name in ("ENTRYPOINT", "HEALTHCHECK CMD")
    )
    config = tmp_path / "phttpd.yaml"
    port = free_port()
    settings = yaml.safe_load(example("containers.md", "phttpd.yaml").text)
    assert f"EXPOSE {settings['port']}" in text
    assert settings["pidfile"].startswith("/tmp/")  # the only writable directory
    settings |= {"docroot": str(tmp_path), "port": port, "pidfile": str(tmp_path / "pid")}
    config.write_text(yaml.safe_dump(settings))
    words = [word.replace("/etc/phttpd/phttpd.yaml", str(config)) for word in entry[1:]]
    server = Foreground(*words)
    try:
        asked = [word.replace("/etc/phttpd/phttpd.yaml", str(config)) for word in health[1:]]
        until(lambda: run(*asked).returncode == 0, "the server is healthy")
        assert server.stop() == 0
        assert run(*asked).returncode == 3
    finally:
        server.kill()


def test_promtail_example_names_fields_of_the_json_log(tmp_path: Path) -> None:
    scrape: Any = yaml.safe_load(example("logs.md", "promtail.yaml").text)["scrape_configs"][0]
    (fields,) = (s["json"]["expressions"] for s in scrape["pipeline_stages"] if "json" in s)
    config = tmp_path / "phttpd.yaml"
    config.write_text(f"docroot: {tmp_path}\naccess_log_format: json\n")
    with serve(tmp_path, "--config", str(config)) as server:
        ask(server.port, "/")
        line = json.loads(server.out.wait_for(r"^\{.*\}$")[0])
    assert set(fields.values()) <= line.keys()
