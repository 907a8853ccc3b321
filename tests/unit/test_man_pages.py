"""The manual pages have every option, and every key with its default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from httpd import arguments
from httpd.configuration import KEYS
from httpd.settings.declaration import REQUIRED, Key

PAGES = Path(__file__).parents[2] / "docs" / "man"


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_man_page_of_the_config_file_has_each_key_with_its_default(key: Key) -> None:
    page = (PAGES / "phttpd.yaml.5").read_text()
    item = re.search(rf"^\.It Cm (?:\w+ , )*{key.name}\b(.*)", page, re.MULTILINE)
    assert item
    if key.default not in (None, [], {}, REQUIRED):
        default = str(key.default).lower() if isinstance(key.default, bool) else str(key.default)
        assert f"Ql {default} " in item[1].replace(r"\(dq", "").replace(f'"{default}"', default)


def test_man_page_of_the_command_has_each_option_and_command() -> None:
    page = (PAGES / "phttpd.8").read_text()
    for action in arguments.make_parser()._actions:
        for option in action.option_strings:
            if option.startswith("--"):
                assert re.search(rf"Fl Fl {option[2:]}$|Fl Fl {option[2:]} ", page, re.M), option
    for command in arguments.COMMANDS:
        assert re.search(rf"(Cm|\|) {command}\b", page), command
