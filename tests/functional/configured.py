"""Runs a server with settings of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tests.support.server import Server, serve


@contextmanager
def serve_with(docroot: Path, **settings: Any) -> Iterator[Server]:
    """Run a server of one loop, whose log shows the order in which things were done.

    Args:
        docroot: the directory to serve.
        settings: keys of the config file and their values.
    """
    with TemporaryDirectory(prefix="phttpd-test-") as directory:
        config = Path(directory) / "phttpd.yaml"
        write_config(config, **settings)
        with serve(docroot, "--config", str(config)) as server:
            yield server


def write_config(path: Path, **settings: Any) -> None:
    """Write a config file; one worker of one thread is the default."""
    path.write_text(yaml.safe_dump({"workers": 1, "threads": 1, **settings}))
