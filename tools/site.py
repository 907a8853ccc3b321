"""Adds the results of the benchmarks, which are outside docs/, to the website of the documentation.

MkDocs calls these hooks; `mkdocs.yml` names this module.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
RESULTS = "benchmarks/results"


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the published results, at their paths below the root of the checkout."""
    for path in sorted((ROOT / RESULTS).iterdir()):
        name = f"{RESULTS}/{path.name}"
        files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))


def on_page_markdown(markdown: str, page: Page, files: Files, **_: object) -> str:
    """Let links that leave docs/ lead to the copies: docs/ is the root of the website."""
    up = "../" * page.file.src_uri.count("/")

    def replace(match: re.Match[str]) -> str:
        path = match[1]
        return f"]({up}{path}" if files.get_file_from_path(path) else match[0]

    return re.sub(rf"\]\({re.escape(up)}\.\./([^)#]+)", replace, markdown)
