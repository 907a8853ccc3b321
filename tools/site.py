"""Adds files outside docs/ to the documentation's website: what the pages link to beyond docs/.

MkDocs calls these hooks; `mkdocs.yml` names this module.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PATTERNS = ("benchmarks/results/*", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the files that `PATTERNS` names, at their paths below the root of the checkout."""
    for pattern in PATTERNS:
        for path in sorted(ROOT.glob(pattern)):
            name = str(path.relative_to(ROOT))
            files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))


def on_page_markdown(markdown: str, page: Page, files: Files, **_: object) -> str:
    """Let links that leave docs/ lead to the copies: docs/ is the root of the website."""
    up = "../" * page.file.src_uri.count("/")

    def replace(match: re.Match[str]) -> str:
        path = match[1]
        return f"]({up}{path}" if files.get_file_from_path(path) else match[0]

    return re.sub(rf"\]\({re.escape(up)}\.\./([^)#]+)", replace, markdown)
