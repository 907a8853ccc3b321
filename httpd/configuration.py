"""The configuration: the settings of all rooms, found, read and completed.

A setting is declared in `settings.py` of the room that uses it; `Settings` puts these dataclasses
together.  Options beat the config file, and the config file beats the defaults.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from httpd.gateway.settings import GatewaySettings
from httpd.monitor.addresses import find_faults
from httpd.monitor.settings import MonitorSettings
from httpd.network.settings import ListenSettings, LoopSettings
from httpd.observe.log import is_journal
from httpd.observe.settings import LogSettings
from httpd.packages import needing_packages
from httpd.process.settings import ProcessSettings
from httpd.settings.declaration import Key, groups_of, titled
from httpd.settings.errors import ConfigError
from httpd.settings.loader import Problems, Value, build, read_value, take_values
from httpd.settings.log_target import JOURNAL, STDOUT
from httpd.settings.tree import Tree
from httpd.site.settings import SiteSettings

_AS_KEYS: Mapping[str, str] = MappingProxyType({})
"""Every option is called like its key."""
_CONFIG_DIRECTORY = "/etc/phttpd"
_RUNTIME_DIRECTORY = "/run"
_STDOUT = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, ready for use.

    The order of the fields, and of the keys in each, is that of the documentation.
    """

    listen: ListenSettings = field(metadata=titled("Where to listen"))
    site: SiteSettings = field(metadata=titled("What is served"))
    gateway: GatewaySettings = field(metadata=titled("Several sites, and what they share"))
    loop: LoopSettings = field(metadata=titled("Connections and requests"))
    process: ProcessSettings = field(metadata=titled("Processes"))
    log: LogSettings = field(metadata=titled("The log"))
    monitoring: MonitorSettings = field(metadata=titled("The monitor"))
    places: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Where each value that was set stands, by key: the start of an error message."""

    @property
    def log_targets(self) -> Mapping[str, str]:
        """Where the access logs lead, each with where the configuration says so."""
        targets = {}
        if self.log.access_log is not None:
            targets[self.log.access_log] = self.places.get("access_log", "access_log")
        for site in self.gateway.sites:
            if site.access_log is not None and site.access_log.target is not None:
                targets.setdefault(site.access_log.target, site.access_log.place)
        return targets


GROUPS = tuple(groups_of(Settings))
KEYS: Mapping[str, Key] = {name: key for group in GROUPS for name, key in group.keys.items()}
"""Every key of the config file, by name."""


# ---------------------------------------------------------------- which files


def default_config_file() -> str | None:
    """Return the config file that is used when none is named.

    In a checkout that is the one in its ``etc``; installed, the one in ``/etc``.
    """
    checkout = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    for path in (f"{checkout}/etc/phttpd.yaml", "/etc/phttpd/phttpd.yaml"):
        if os.path.isfile(path):
            return path
    return None


def instance_pidfile(config_file: str) -> str | None:
    """Return where phttpd@NAME.service has its pidfile, for ``/etc/phttpd/NAME.yaml``.

    The unit names it by an option, whatever its config file says.  The config file of
    phttpd.service is that of no instance.
    """
    directory, name = os.path.split(config_file)
    stem, suffix = os.path.splitext(name)
    if directory != _CONFIG_DIRECTORY or suffix != ".yaml" or stem == "phttpd":
        return None
    return f"{_RUNTIME_DIRECTORY}/phttpd-{stem}/phttpd.pid"


def _default_pidfile() -> str:
    return _state_file("phttpd.pid", "/run")


def _default_log_file() -> str:
    return _state_file("phttpd.log", "/var/log")


def _state_file(name: str, directory_of_root: str) -> str:
    directory = (
        directory_of_root if os.geteuid() == 0 else os.path.expanduser("~/.local/state/phttpd")
    )
    return f"{directory}/{name}"


# ---------------------------------------------------------------- loading


def load(
    config_file: str | None,
    options: Mapping[str, Any],
    spelling: Mapping[str, str] = _AS_KEYS,
    *,
    needs_docroot: bool = False,
) -> Settings:
    """Return the settings from options, config file and defaults.

    Args:
        config_file: path of a YAML file, or None.
        options: what was given on the command line, by key.
        spelling: how the options were called there, by key, where the key does not tell.
        needs_docroot: whether a docroot that does not exist is an error; a server waits for it.

    Raises:
        ConfigError: with everything that is wrong in the file and the options.
    """
    problems = Problems()
    values = _gather(config_file, options, spelling, problems)
    _require(config_file, values, problems)
    settings = Settings(
        **{group.name: build(group.settings, values, problems) for group in GROUPS},
        places={name: value.place for name, value in values.items()},
    )
    if not problems.lines:
        problems.lines += find_faults(settings.monitoring, settings.listen, settings.places)
    if needs_docroot or problems.missing != ["docroot"] or len(problems.lines) > 1:
        problems.throw()
    return settings


def load_pidfile(
    config_file: str | None, options: Mapping[str, Any], spelling: Mapping[str, str] = _AS_KEYS
) -> str:
    """Return the path of the pidfile, whatever else is wrong in the configuration.

    Arguments and errors are those of `load`.
    """
    try:
        path = config_file if "pidfile" not in options else None
        values = _gather(path, options, spelling, Problems())
    except ConfigError as error:
        hint = "--pidfile FILE finds the daemon without it"
        lines = [f"{problem}; {hint}" for problem in error.problems]
        raise ConfigError(lines, may_pass=error.may_pass) from None
    problems = Problems()
    pidfile = read_value(KEYS["pidfile"], values.get("pidfile"), problems)
    problems.throw()
    return str(pidfile or _default_pidfile())


def complete(settings: Settings, options: Mapping[str, Any], *, in_foreground: bool) -> Settings:
    """Return settings with what a daemon needs and was not told.

    The foreground logs to the terminal, unless an option names a log file.

    Raises:
        ConfigError: when the access log is to lead to what this process does not have.
    """
    _require_console(settings, in_foreground=in_foreground)
    process, log = settings.process, settings.log
    if in_foreground:
        log = log if "log_file" in options else replace(log, log_file=None)
    else:
        process = replace(process, pidfile=process.pidfile or _default_pidfile())
        log = replace(log, log_file=log.log_file or _default_log_file())
    return replace(settings, process=process, log=log)


def _require_console(settings: Settings, *, in_foreground: bool) -> None:
    """Refuse an access log that leads to a standard output or journal which is not there."""
    why_not = {}
    if not in_foreground:
        why_not[STDOUT] = "a daemon has no standard output"
    if not (in_foreground and is_journal(_STDOUT)):
        why_not[JOURNAL] = (
            "standard output does not lead to the journal; a unit of systemd has that"
        )
    problems = [
        f"{place}: {target} is not possible here: {why_not[target]}; give the path of a file"
        for target, place in settings.log_targets.items()
        if target in why_not
    ]
    if problems:
        raise ConfigError(problems)


def _gather(
    config_file: str | None,
    options: Mapping[str, Any],
    spelling: Mapping[str, str],
    problems: Problems,
) -> dict[str, Value]:
    values = _read_file(config_file, problems) if config_file else {}
    for name, raw in options.items():
        values[name] = Value(raw, spelling.get(name, KEYS[name].option_name), os.curdir)
    return values


def _read_file(path: str, problems: Problems) -> dict[str, Value]:
    with needing_packages():
        # A server without a config file runs without PyYAML.
        from httpd.settings.yaml_file import read_yaml  # noqa: PLC0415
    tree = read_yaml(path)
    return (take_values(tree, KEYS, problems) or {}) if tree else {}


def _require(config_file: str | None, values: Mapping[str, Value], problems: Problems) -> None:
    for key in KEYS.values():
        if not key.is_required or _has_value(key.name, values) or _has_value(key.instead, values):
            continue
        if any(f": {key.name}: " in problem for problem in problems.lines):
            continue  # something was said about it
        place = f"{config_file}: {key.name}" if config_file else key.name
        option = key.option
        how = f"{option.alias or key.option_name} {option.metavar}, or " if option else ""
        text = f"is not set; give {how}{key.name} in the config file"
        problems.lines.append(f"{place}: {text}")


def _has_value(name: str, values: Mapping[str, Value]) -> bool:
    """Tell whether a key was given a value; an empty list is none."""
    raw = values[name].raw if name in values else None
    if isinstance(raw, Tree):
        return not raw.is_null and raw.items() != []
    return raw is not None


# ---------------------------------------------------------------- what has changed


def changed_keys(before: Settings, now: Settings) -> Iterator[Key]:
    """Yield the key of each setting whose value is another one."""
    for one in GROUPS:
        old, new = getattr(before, one.name), getattr(now, one.name)
        for key in one.keys.values():
            if getattr(old, key.name) != getattr(new, key.name):
                yield key
