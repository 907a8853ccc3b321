"""Forms and files that appear, change and disappear."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.functional.precompressed.forms import (
    get,
    get_until,
    put,
)
from tests.support.raw import Client


@pytest.mark.parametrize("size", [1, 200_000])
def test_form_that_appears_changes_and_disappears_is_noticed(
    client: Client, site: Path, size: int
) -> None:
    plain, one, two = b"p" * size, b"1" * size + b"!", b"2" * size + b"!"
    target = f"/comes-{size}.txt"
    put(site / target[1:], plain)
    sibling = site / f"{target[1:]}.gz"
    for _ in range(3):
        response = get(client, target, "gzip")
        assert (response.body, response.get("Vary")) == (plain, None)
    put(sibling.with_suffix(".tmp"), one, age=50).rename(sibling)
    seen = get_until(client, target, "gzip", lambda response: response.body == one)
    assert seen[-1]["Content-Encoding"] == "gzip"
    assert get(client, target, "br")["Vary"] == "Accept-Encoding"
    put(sibling.with_suffix(".tmp"), two, age=40).rename(sibling)
    seen += get_until(client, target, "gzip", lambda response: response.body == two)
    sibling.unlink()
    seen += get_until(client, target, "gzip", lambda response: response.body == plain)
    assert "Vary" not in seen[-1]
    for response in seen:
        assert response.body in (plain, one, two)
        assert (response.get("Content-Encoding") == "gzip") is (response.body != plain)


def test_file_that_changes_is_sent_without_its_old_forms(client: Client, site: Path) -> None:
    put(site / "moves.txt", b"old")
    put(site / "moves.txt.br", b"old br")
    for _ in range(3):
        assert get(client, "/moves.txt", "br").body == b"old br"
    put(site / "moves.txt", b"new", age=90)
    get_until(client, "/moves.txt", "br", lambda response: response.body == b"new")
    put(site / "moves.txt.br", b"new br", age=90)
    get_until(client, "/moves.txt", "br", lambda response: response.body == b"new br")


@pytest.mark.parametrize(
    ("original", "sibling", "is_sent"),
    [
        (1_000_500_000_000, 1_000_500_000_000, True),
        (1_000_500_000_000, 1_000_500_000_001, True),
        (1_000_500_000_000, 1_000_480_000_000, True),
        (1_000_500_000_000, 1_000_000_000_000, True),
        (1_000_500_000_000, 995_500_000_000, True),
        (1_000_500_000_000, 995_499_999_999, False),
        (1_000_500_000_000, 900_000_000_000, False),
    ],
    ids=["equal", "later", "just-before", "cut-to-seconds", "seconds", "more", "much-earlier"],
)
def test_form_from_before_the_last_change_is_not_sent(
    client: Client, site: Path, original: int, sibling: int, is_sent: bool
) -> None:
    name = f"{original}-{sibling}.txt"
    for path, moment in ((site / name, original), (site / f"{name}.gz", sibling)):
        path.write_bytes(path.suffix.encode())
        os.utime(path, ns=(moment, moment))
    response = get(client, f"/{name}", "gzip")
    assert response.body == (b".gz" if is_sent else b".txt")
    assert ("Vary" in response) is is_sent


@pytest.mark.parametrize("form_first", [True, False])
def test_copy_of_a_site_has_all_forms_whatever_was_copied_first(
    client: Client, site: Path, tmp_path: Path, form_first: bool
) -> None:
    made = put(tmp_path / "made" / "a.js", b"file").parent
    put(made / "a.js.gz", b"form")

    def copy(source: str, target: str) -> None:
        """Copy a file, and let its time be that of the order of the copies."""
        shutil.copyfile(source, target)
        place = 1 if source.endswith(".gz") == form_first else 2
        os.utime(target, (10**9 + 0.02 * place,) * 2)

    shutil.copytree(made, site / f"copy-{form_first}", copy_function=copy)
    assert get(client, f"/copy-{form_first}/a.js", "gzip").body == b"form"
