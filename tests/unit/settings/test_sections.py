"""A mapping inside the config file that has a dataclass of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from httpd.settings.declaration import REQUIRED, key, keys_of
from httpd.settings.errors import ConfigError
from httpd.settings.kinds import FLAG, duration, whole
from httpd.settings.loader import Problems, build, schema_of, section, take_values
from httpd.settings.system_kinds import PATH
from httpd.settings.yaml_file import read_yaml


@dataclass(frozen=True, kw_only=True)
class Inner:
    depth: int = key(whole(1, 9), 3, "How deep.")


@dataclass(frozen=True, kw_only=True)
class Outer:
    certificate: str = key(PATH, REQUIRED, "The certificate.")
    timeout: float = key(duration(1, 60), "5s", "How long.")
    inner: Inner | None = key(section(Inner, "a mapping"), None, "More.")


@dataclass(frozen=True, kw_only=True)
class Whole:
    plain: bool = key(FLAG, False, "Whether.")
    outer: Outer | None = key(section(Outer, "a mapping with certificate"), None, "A section.")


def read(tmp_path: Path, text: str) -> Any:
    """Return a `Whole`, or what is wrong without the name of the file."""
    path = tmp_path / "a.yaml"
    path.write_text(text)
    problems = Problems()
    tree = read_yaml(str(path))
    assert tree
    made = build(Whole, take_values(tree, keys_of(Whole), problems) or {}, problems)
    return [line.removeprefix(f"{path}:") for line in problems.lines] or made


def test_section_becomes_its_dataclass(tmp_path: Path) -> None:
    text = "outer:\n  certificate: a.pem\n  timeout: 7s\n  inner: {depth: 4}\n"
    outer = Outer(certificate=str(tmp_path / "a.pem"), timeout=7.0, inner=Inner(depth=4))
    assert read(tmp_path, text) == Whole(outer=outer)


def test_section_has_the_defaults_of_its_dataclass(tmp_path: Path) -> None:
    loaded = read(tmp_path, "outer: {certificate: /a.pem, inner: {}}")
    assert loaded == Whole(outer=Outer(certificate="/a.pem", timeout=5.0, inner=Inner(depth=3)))


@pytest.mark.parametrize("text", ["plain: false", "outer:", "outer: null"])
def test_section_without_a_value_is_none(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == Whole()


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "outer:\n  certificate: 5\n  timout: 7s\n  inner:\n    depth: 10\nplan: true",
            [
                "6: plan: unknown key; did you mean plain?",
                "3: outer: timout: unknown key; did you mean timeout?",
                "2: outer: certificate: 5 is not allowed here; expected a path",
                "5: outer: inner: depth: 10 is not allowed here; expected a whole number from 1 to"
                " 9",
            ],
        ),
        ("outer: 5", ["1: outer: '5' is not allowed here; expected a mapping with certificate"]),
        ("outer:\n  timeout: 5s", ["1: outer: certificate is not set"]),
        ("outer:\n  certificate:", ["1: outer: certificate is not set"]),
    ],
)
def test_section_with_mistakes_is_reported_with_their_lines(
    tmp_path: Path, text: str, problems: list[str]
) -> None:
    assert read(tmp_path, text) == problems


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("{certificate: a, timeout: 5s, inner: {depth: 1}}", True),
        ("{timeout: 5s}", False),
        ("{certificate: a, inner: {depth: 10}}", False),
        ("{certificate: a, more: 1}", False),
    ],
)
def test_section_has_the_schema_of_its_keys(text: str, is_right: bool) -> None:
    schema = schema_of(keys_of(Whole)["outer"])
    assert jsonschema.Draft7Validator(schema).is_valid(yaml.safe_load(text)) == is_right


def test_section_with_several_mistakes_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("outer: {inner: {depth: 0}, certificate: ''}")
    tree = read_yaml(str(path))
    assert tree
    with pytest.raises(ConfigError) as error:
        section(Outer, "a mapping").read(tree.entries([])["outer"])  # type: ignore[index]
    assert len(error.value.problems) == 2
