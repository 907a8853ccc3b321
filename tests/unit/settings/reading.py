"""Settings by the name of their key, and what is wrong with a configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from httpd.configuration import GROUPS, Settings, load
from httpd.settings.errors import ConfigError

Write = Callable[[str], str]


def flat(settings: Settings) -> dict[str, Any]:
    """Return the value of every key, whatever dataclass it is in."""
    return {
        name: getattr(getattr(settings, group.name), name)
        for group in GROUPS
        for name in group.keys
    }


def problems_of(config_file: str | None, options: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load(config_file, options or {}, needs_docroot=True)
    problems = list(error.value.problems)
    assert problems
    assert not any("\n" in problem for problem in problems), "one line each"
    return problems
