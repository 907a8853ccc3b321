"""The reference has every status that closes a connection, and every reason that the log gives."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from httpd.protocol.messages import STATUSES

ROOT = Path(__file__).parents[2]
CLOSING = {"close", "cut", "refuse", "_close_all", "HTTPError"}


def find_reasons() -> Iterator[str]:
    """Yield the texts that the code closes connections with."""
    for path in (ROOT / "httpd").glob("[np]*o*/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                keyword = [
                    word.value for word in node.keywords if word.arg in ("reason", "close_reason")
                ]
                texts = node.args if name != "HTTPError" else []
                for value in (*texts, *keyword) if name in CLOSING else ():
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        yield value.value
    yield from (status.close_reason for status in STATUSES.values() if status.close_reason)


def test_log_page_has_every_reason_for_closing_a_connection() -> None:
    page = (ROOT / "docs" / "reference" / "logs.md").read_text()
    table = page[page.index("The reasons for closing a connection:") :]
    documented = set(re.findall(r"`([^`]+)`", table))
    reasons = set(find_reasons())
    assert {"drain timeout", "TLS on a plain port", "too slow for a drain"} <= reasons
    assert reasons <= documented


def test_behaviour_page_has_every_status_that_closes_a_connection() -> None:
    page = (ROOT / "docs" / "reference" / "behaviour.md").read_text()
    sentence = re.search(r"After ([0-9, and]+) the connection is closed", page)
    assert sentence is not None
    closing = [number for number, status in STATUSES.items() if status.close_reason]
    assert [int(number) for number in re.findall("[0-9]+", sentence[1])] == closing
