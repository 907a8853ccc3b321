"""The unit of systemd that starts phttpd, as its files say it; systemd does not have to run.

Only the section [Service] is read, as far as `httpd.findings` asks for it (systemd.unit(5)).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

MAIN = "phttpd.service"
_CONFIG_DIRECTORY = "/etc/phttpd"
_DIRECTORIES = (
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
)
"""Where units are, the first directory first."""

Settings = Mapping[str, list[str]]
"""The values of each setting, in their order."""


class Unit(NamedTuple):
    """A unit that is installed.

    Args:
        name: such as ``phttpd@lab.service``.
        file: where it is.
        settings: with those of its drop-ins.
    """

    name: str
    file: str
    settings: Settings

    def value(self, setting: str) -> str:
        """Return the last value of a setting; empty if there is none."""
        return next(reversed(self.settings.get(setting, [])), "")

    def words(self, setting: str) -> list[str]:
        """Return the words of all values of a setting."""
        return [word for value in self.settings.get(setting, []) for word in value.split()]

    @property
    def command(self) -> list[str]:
        """The words of the command line that the unit starts."""
        try:
            return shlex.split(self.value("ExecStart").lstrip("@-:+!"))
        except ValueError:
            return []

    @property
    def config_file(self) -> str | None:
        """The config file that the command line names."""
        for word, following in pairwise([*self.command, ""]):
            if word in ("--config", "-c"):
                return following
            if word.startswith("--config="):
                return word.removeprefix("--config=")
        return None


def find_unit(config_file: str, root: str = "/") -> Unit | None:
    """Return the unit that serves a config file, or None if none is installed.

    Those in ``/etc/phttpd`` have units of their own, whatever these start.

    Args:
        config_file: absolute.
        root: of the file system.
    """
    directory, name = os.path.split(config_file)
    stem, suffix = os.path.splitext(name)
    if directory == _CONFIG_DIRECTORY and suffix == ".yaml" and stem != "phttpd":
        return _read_unit(f"phttpd@{stem}.service", "phttpd@.service", stem, root)
    main = _read_unit(MAIN, MAIN, "", root)
    is_its_own = directory == _CONFIG_DIRECTORY and suffix == ".yaml"
    return main if main and (is_its_own or main.config_file == config_file) else None


def _read_unit(name: str, template: str, instance: str, root: str) -> Unit | None:
    places = [os.path.join(root, directory) for directory in _DIRECTORIES]
    files = [f"{place}/{each}" for each in (name, template) for place in places]
    file = next(filter(os.path.exists, files), None)
    if file is None:
        return None
    settings: dict[str, list[str]] = {}
    for path in (file, *_drop_ins(name, template, places)):
        for key, value in read_settings(path, instance):
            settings[key] = [*settings.get(key, []), value] if value else []
    return Unit(name, file, settings) if settings else None  # a masked unit is empty


def _drop_ins(name: str, template: str, places: list[str]) -> list[str]:
    """Return the files of the drop-in directories: the first of each name, ordered by name."""
    found: dict[str, str] = {}
    for unit in dict.fromkeys((name, template)):
        for place in places:
            directory = f"{place}/{unit}.d"
            names = os.listdir(directory) if os.path.isdir(directory) else []
            for each in names:
                if each.endswith(".conf"):
                    found.setdefault(each, f"{directory}/{each}")
    return [path for _, path in sorted(found.items())]


def read_settings(path: str, instance: str = "") -> Iterator[tuple[str, str]]:
    """Yield the settings of the section [Service] of a file and their values, in order.

    Args:
        path: of the file; one that cannot be read has none.
        instance: stands for ``%i``.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().replace("\\\n", " ").splitlines()
    except OSError:
        return
    section = ""
    for line in map(str.strip, lines):
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            yield key.strip(), value.strip().replace("%i", instance)
