"""Media types in the config file: what is read, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from httpd.configuration import load
from httpd.files.media_types import UNKNOWN
from httpd.settings.errors import ConfigError
from httpd.site.settings import SiteSettings


def loaded(tmp_path: Path, text: str) -> SiteSettings:
    path = tmp_path / "phttpd.yaml"
    path.write_text(f"docroot: /\n{text}")
    return load(str(path), {}).site


def problems_of(tmp_path: Path, text: str) -> list[str]:
    """Return what is wrong, without the name of the file."""
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, text)
    return [line.removeprefix(f"{tmp_path}/phttpd.yaml:") for line in error.value.problems]


def test_types_are_kept_in_order(tmp_path: Path) -> None:
    text = """\
types:
  .rkt: text/x-racket
  README: Text/Plain; Charset=UTF-8
  .tar.zst: application/zstd
  404: 'text/html;a="b c\\"; d"'
default_type: Text/Plain
"""
    site = loaded(tmp_path, text)
    assert site.types == (
        (".rkt", "text/x-racket"),
        ("README", "text/plain; Charset=UTF-8"),
        (".tar.zst", "application/zstd"),
        ("404", 'text/html;a="b c\\"; d"'),
    )
    assert site.default_type == "text/plain"


@pytest.mark.parametrize("text", ["", "types:\ndefault_type:\n", "types: {}\ndefault_type: null"])
def test_types_that_are_left_out_are_the_built_in_ones(tmp_path: Path, text: str) -> None:
    site = loaded(tmp_path, text)
    assert (site.types, site.default_type) == ((), UNKNOWN)


TYPE = "expected a media type such as text/x-racket or text/html; charset=iso-8859-1"
NAME = "is neither an extension such as .rkt or .tar.zst nor the whole name of a file"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (".rkt: racket", f"types: .rkt: 'racket' is not allowed here; {TYPE}"),
        (".rkt: txt", f"types: .rkt: 'txt' is not allowed here; {TYPE}; did you mean text/plain?"),
        (
            ".rkt: .JSON",
            f"types: .rkt: '.JSON' is not allowed here; {TYPE}; did you mean application/json?",
        ),
        (".rkt: ts", f"types: .rkt: 'ts' is not allowed here; {TYPE}"),
        (".rkt: text/", f"types: .rkt: 'text/' is not allowed here; {TYPE}"),
        (".rkt: text/x racket", f"types: .rkt: 'text/x racket' is not allowed here; {TYPE}"),
        (".rkt: text/plain;", f"types: .rkt: 'text/plain;' is not allowed here; {TYPE}"),
        (".rkt: text/plain; a", f"types: .rkt: 'text/plain; a' is not allowed here; {TYPE}"),
        (".rkt: text/*/*", f"types: .rkt: 'text/*/*' is not allowed here; {TYPE}"),
        (".rkt: text/käse", f"types: .rkt: 'text/käse' is not allowed here; {TYPE}"),
        ('.rkt: "a/b\\r\\nc: d"', f"types: .rkt: 'a/b\\r\\nc: d' is not allowed here; {TYPE}"),
        (".rkt:", f"types: .rkt: nothing is not allowed here; {TYPE}"),
        (".rkt: [text/plain]", f"types: .rkt: a list is not allowed here; {TYPE}"),
        ('"*.rkt": a/b', f"types: *.rkt: {NAME}; did you mean .rkt?"),
        ("/a/README: a/b", f"types: /a/README: {NAME}; did you mean README?"),
        ('"/b/*.tar.zst": a/b', f"types: /b/*.tar.zst: {NAME}; did you mean .tar.zst?"),
        ("a/: a/b", f"types: a/: {NAME}"),
        (".: a/b", f"types: .: {NAME}"),
        ("..: a/b", f"types: ..: {NAME}"),
        ('"": a/b', f"types: : {NAME}"),
        ('"*": a/b', f"types: *: {NAME}"),
        ('"a\\0": a/b', f"types: a\\x00: {NAME}"),
        (".RKT: a/b\n  .rkt: a/b", "types: .rkt: is set a second time"),
        ("[a]: b", "types: unknown key; a key is one word"),
    ],
)
def test_type_that_is_wrong_is_reported_with_its_line(
    tmp_path: Path, line: str, problem: str
) -> None:
    number = 3 + line.count("\n")
    assert problems_of(tmp_path, f"types:\n  {line}\n") == [f"{number}: {problem}"]


@pytest.mark.parametrize("value", ["5", "text/plain", "[{.rkt: text/plain}]"])
def test_types_that_are_no_mapping_are_reported(tmp_path: Path, value: str) -> None:
    (problem,) = problems_of(tmp_path, f"types: {value}\n")
    assert problem.endswith(
        "expected lines of the form “.rkt: text/x-racket” or “README: text/plain”"
    )


def test_default_type_that_is_no_media_type_is_reported(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, "default_type: txt\n")
    expected = f"'txt' is not allowed here; {TYPE}; did you mean text/plain?"
    assert problem == f"2: default_type: {expected}"


def test_every_mistake_of_types_is_reported_at_once(tmp_path: Path) -> None:
    text = "types:\n  a/b: none\n  .c: none\ndefault_type: none\n"
    assert [line.partition(":")[0] for line in problems_of(tmp_path, text)] == ["3", "3", "4", "5"]
