"""What the operator says: options over the config file over defaults.

`KEYS` is the one table of everything that can be set.  Values come as YAML made them or as text
from the command line; both are read by the same functions.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import socket
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from httpd.config_errors import ConfigError, NotThereError, refuse
from httpd.config_rules import any_case, read_rules, rules_schema
from httpd.config_tree import Tree, Value
from httpd.machine import count_cores, share_memory
from httpd.observe.access_formats import FORMATS
from httpd.observe.log import printable
from httpd.packages import needing_packages
from httpd.site.rules import Rule

_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, ready for use: times in seconds, sizes in bytes, paths
    absolute.
    """

    host: tuple[str, ...]
    port: int
    docroot: str
    index: tuple[str, ...]
    listing: bool
    precompressed: bool
    charset: str | None
    recv: int
    workers: int
    threads: int
    backlog: int
    keepalive_timeout: float
    header_timeout: float
    send_timeout: float
    drain_timeout: float | None
    shutdown_timeout: float
    max_connections: int
    max_body: int
    expires: int
    rules: tuple[Rule, ...]
    cache: int
    user: str | None
    group: str | None
    pidfile: str | None
    log_file: str | None
    verbose: bool
    access_log_format: str
    daemon: bool


# ---------------------------------------------------------------- reading one value


class Kind(NamedTuple):
    """What a value may be.

    Args:
        read: makes the value; raises ValueError with what is allowed, and the wrong item of a list.
        schema: the same as JSON Schema, for editors.  It takes all that `read` takes, and more only
            where this machine, the size of a number in a text or the spelling of a number or an
            address decides.
    """

    read: Callable[[Any], Any]
    schema: Mapping[str, Any]


_DIGITS = "[0-9]{1,18}"


def _whole(least: int, most: int) -> Kind:
    def read(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(_DIGITS, value):
            value = int(value)
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return value

    return Kind(read, _number_or_text("integer", least, most, _DIGITS))


def _number_or_text(number: str, least: float, most: float, text: str) -> dict[str, Any]:
    limits = {"minimum": least, "maximum": most}
    return {"type": [number, "string"], **limits, "pattern": f"^({text})$"}


_SIZES = {"": 1, "B": 1, "KB": 1000, "KIB": 1024, "MB": 1000**2, "MIB": 1024**2, "GIB": 1024**3}
_SIZES |= {"K": 1024, "M": 1024**2, "G": 1024**3, "GB": 1000**3}


_SIZE = f"[0-9]{{1,15}} ?({'|'.join(map(any_case, _SIZES))})"


def _size(least: int, most: int) -> Kind:
    def read(value: Any) -> int:
        match = re.fullmatch(r"([0-9]{1,15}) ?([A-Za-z]*)", str(value))
        unit = _SIZES.get(match[2].upper()) if match and type(value) is not bool else None
        if not match or unit is None or not least <= int(match[1]) * unit <= most:
            raise ValueError(f"a size such as 65536, 64KiB or 1MiB, from {least} to {most} bytes")
        return int(match[1]) * unit

    return Kind(read, _number_or_text("integer", least, most, _SIZE))


_TIMES = {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


_DECIMAL = r"[0-9]{1,9}(?:\.[0-9]{1,6})?"


def _duration(least: float, most: float) -> Kind:
    def read(value: Any) -> float:
        match = re.fullmatch(rf"({_DECIMAL}) ?([a-z]*)", str(value))
        unit = _TIMES.get(match[2]) if match and type(value) is not bool else None
        if not match or unit is None or not least <= float(match[1]) * unit <= most:
            raise ValueError(
                f"a time such as 500ms, 30s, 5min or 12h, from {least} to {most} seconds"
            )
        return float(match[1]) * unit

    text = f"{_DECIMAL} ?({'|'.join(_TIMES)})"
    return Kind(read, _number_or_text("number", least, most, text))


def _whole_seconds(least: int, most: int) -> Kind:
    seconds = _duration(least, most)
    return Kind(lambda value: int(seconds.read(value)), seconds.schema)


_EXPIRES = _whole_seconds(0, 10 * 365 * 86400)
_RULES = Kind(lambda tree: read_rules(tree, _EXPIRES.read), rules_schema(_EXPIRES.schema))


def _or_auto(kind: Kind, auto: Callable[[], int], least: int, most: int, pattern: str) -> Kind:
    """Return a kind of number that may be left to the server, which then asks `auto`."""

    def read(value: Any) -> int:
        if value == "auto":
            return min(auto(), most)
        try:
            return int(kind.read(value))
        except ValueError as allowed:
            raise ValueError(f"auto, or {allowed}") from None

    return Kind(read, _number_or_text("integer", least, most, f"auto|{pattern}"))


_WORKERS = _or_auto(_whole(1, 256), count_cores, 1, 256, _DIGITS)
_CACHE = _or_auto(_size(0, 64 * 1024**3), share_memory, 0, 64 * 1024**3, _SIZE)


def _read_flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("true or false")
    return value


_FLAG = Kind(_read_flag, {"type": "boolean"})


def _one_of(*words: str) -> Kind:
    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(" or ".join(words))
        return str(value)

    return Kind(read, {"enum": list(words)})


def _texts(what: str, pattern: str, is_possible: Callable[[str], bool] = lambda _: True) -> Kind:
    def read(value: Any) -> tuple[str, ...]:
        values = value if isinstance(value, list) else [value]
        wrong = [text for text in values if not is_good(text)]
        if wrong or not values:
            raise ValueError(what, *wrong[:1])
        return tuple(values)

    def is_good(text: Any) -> bool:
        is_text = isinstance(text, str) and _is_encodable(text)
        return is_text and re.fullmatch(pattern, text) is not None and is_possible(text)

    text = {"type": "string", "pattern": f"^({pattern})$"}
    return Kind(read, {**text, "type": ["string", "array"], "items": text, "minItems": 1})


def _is_address_or_name(text: str) -> bool:
    """Tell an address, which may have a scope, and a host name from something like an address."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    if family == socket.AF_INET and not re.fullmatch("[0-9.]+", text):
        return True
    try:
        socket.inet_pton(family, text.partition("%")[0])
    except OSError:
        return False
    return True


_HOST = _texts(
    '"*" for every address, or an address or host name without a port, or a list of these',
    r"\*|[0-9A-Za-z._%-]{1,253}|(?=.*:.*:)[0-9A-Fa-f:.]{2,45}(%[0-9A-Za-z._-]{1,15})?",
    _is_address_or_name,
)
_INDEX = _texts(
    "a file name such as index.html, or a list of file names",
    r"(?!\.{1,2}$)[^/\u0000]+",
)


_NO_CHARSET = "|".join(map(any_case, ("none", "null", "auto")))
_CHARSET_NAME = rf"(?!({_NO_CHARSET})$)[0-9A-Za-z][0-9A-Za-z._+-]{{0,39}}"


def _read_charset(value: Any) -> str | None:
    """Return the name of a charset.

    ``null`` has a meaning here, other than for the other keys: so an empty value is refused.

    Args:
        value: a `Tree`; a text is the default.
    """
    if isinstance(value, Tree) and value.is_null and value.is_written:
        return None
    text = value.text() if isinstance(value, Tree) and not value.is_flag else value
    if not isinstance(text, str) or not re.fullmatch(_CHARSET_NAME, text):
        raise ValueError("a charset such as utf-8 or iso-8859-1, or null to leave it out")
    return text


_CHARSET = Kind(_read_charset, {"type": "string", "pattern": f"^({_CHARSET_NAME})$"})


def _read_path(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value or not _is_encodable(value):
        raise ValueError("a path")
    return value


def _is_encodable(text: str) -> bool:
    """Tell whether a text can be the name of a file; a lone surrogate cannot."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def _read_directory(value: Any) -> str:
    path = _read_path(value)
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise NotThereError(printable(f"no such directory: {path}")) from None
    except OSError as error:
        raise NotThereError(printable(f"{error.strerror}: {path}")) from None
    if not stat.S_ISDIR(mode):
        raise NotThereError(printable(f"not a directory: {path}"))
    return path


def _read_user(value: Any) -> str:
    return _look_up("user", value, pwd.getpwuid, pwd.getpwnam).pw_name


def _read_group(value: Any) -> str:
    return _look_up("group", value, grp.getgrgid, grp.getgrnam).gr_name


def _look_up(
    what: str, value: Any, by_number: Callable[[int], _Entry], by_name: Callable[[str], _Entry]
) -> _Entry:
    is_number = type(value) in (int, str) and re.fullmatch("[0-9]{1,9}", str(value))
    try:
        if not is_number and not (isinstance(value, str) and value):
            raise ValueError
        return by_number(int(value)) if is_number else by_name(value)
    except KeyError:
        raise NotThereError(printable(f"no such {what}: {value}")) from None
    except ValueError:
        raise ValueError(f"the name or number of a {what} of this machine") from None


_TEXT = {"type": "string", "minLength": 1}
_PATH = Kind(_read_path, _TEXT)
_DIRECTORY = Kind(_read_directory, _TEXT)
_ACCOUNT = {"type": ["string", "integer"], "minLength": 1, "minimum": 0}
_USER = Kind(_read_user, _ACCOUNT)
_GROUP = Kind(_read_group, _ACCOUNT)


# ---------------------------------------------------------------- the table of keys


class Key(NamedTuple):
    """Something that can be set.

    Args:
        name: in the config file; the option on the command line has hyphens for underscores.
        kind: what the value may be; leaving it empty is as good as leaving the key out.
        default: as it would stand in the config file.
        is_path: relative to the config file, or to the working directory on the command line.
        is_tree: `kind.read` takes a `Tree`, and raises ConfigError for what is wrong inside of it.
    """

    name: str
    kind: Kind
    default: Any
    is_path: bool = False
    is_tree: bool = False

    def read(self, value: Any) -> Any:
        """Make the value; raises ValueError as `Kind.read` does."""
        return self.kind.read(value)


def _state_file(name: str, directory_of_root: str) -> str:
    directory = (
        directory_of_root if os.geteuid() == 0 else os.path.expanduser("~/.local/state/phttpd")
    )
    return f"{directory}/{name}"


def default_pidfile() -> str:
    """Return the pidfile of a daemon that was told none."""
    return _state_file("phttpd.pid", "/run")


def default_log_file() -> str:
    """Return the log file of a daemon that was told none."""
    return _state_file("phttpd.log", "/var/log")


KEYS: Mapping[str, Key] = {
    key.name: key
    for key in (
        Key("host", _HOST, "*"),
        Key("port", _whole(0, 65535), 8080),
        Key("docroot", _DIRECTORY, None, is_path=True),
        Key("index", _INDEX, "index.html"),
        Key("listing", _FLAG, False),
        Key("precompressed", _FLAG, True),
        Key("charset", _CHARSET, "utf-8", is_tree=True),
        Key("recv", _size(1, 16 * 1024**2), "64KiB"),
        Key("workers", _WORKERS, "auto"),
        Key("threads", _whole(1, 256), 4),
        Key("backlog", _whole(1, 65535), 4096),
        Key("keepalive_timeout", _duration(0.1, 86400), "30s"),
        Key("header_timeout", _duration(0.1, 86400), "20s"),
        Key("send_timeout", _duration(0.1, 86400), "60s"),
        Key("drain_timeout", _duration(0, 30 * 86400), None),
        Key("shutdown_timeout", _duration(0, 30 * 86400), "30s"),
        Key("max_connections", _whole(1, 1_000_000), 16384),
        Key("max_body", _size(0, 1024**3), "1MiB"),
        Key("expires", _EXPIRES, "12h"),
        Key("rules", _RULES, [], is_tree=True),
        Key("cache", _CACHE, "auto"),
        Key("user", _USER, None),
        Key("group", _GROUP, None),
        Key("pidfile", _PATH, None, is_path=True),
        Key("log_file", _PATH, None, is_path=True),
        Key("verbose", _FLAG, False),
        Key("access_log_format", _one_of(*FORMATS), "combined"),
        Key("daemon", _FLAG, True),
    )
}


_AS_KEYS: Mapping[str, str] = MappingProxyType({})
"""Every option is called like its key."""


def default_config_file() -> str | None:
    """Return the config file that is used when none is named.

    In a checkout that is the one in its ``etc``; installed, the one in ``/etc``.
    """
    checkout = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    for path in (f"{checkout}/etc/phttpd.yaml", "/etc/phttpd/phttpd.yaml"):
        if os.path.isfile(path):
            return path
    return None


_CONFIG_DIRECTORY = "/etc/phttpd"
_RUNTIME_DIRECTORY = "/run"


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


def load_pidfile(
    config_file: str | None, options: Mapping[str, Any], spelling: Mapping[str, str] = _AS_KEYS
) -> str:
    """Return the path of the pidfile, whatever else is wrong in the configuration.

    Arguments and errors are those of `load`.
    """
    problems: list[str] = []
    try:
        path = config_file if "pidfile" not in options else None
        values = _gather(path, options, spelling, problems)
    except ConfigError as error:
        hint = "--pidfile FILE finds the daemon without it"
        problems = [f"{problem}; {hint}" for problem in error.problems]
        raise ConfigError(problems, may_pass=error.may_pass) from None
    problems.clear()
    pidfile = _settle(KEYS["pidfile"], values.get("pidfile"), problems)
    if problems:
        raise ConfigError(problems)
    return str(pidfile or default_pidfile())


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
        needs_docroot: whether a docroot that is not there is wrong; a server waits for it.

    Raises:
        ConfigError: with everything that is wrong in the file and the options.
    """
    problems: list[str] = []
    values = _gather(config_file, options, spelling, problems)
    is_missing = "docroot" not in values or values["docroot"].raw is None
    if is_missing and not any(": docroot: " in problem for problem in problems):
        place = f"{config_file}: docroot" if config_file else "docroot"
        problems.append(f"{place}: is not set; give --base DIR, or docroot in the config file")
    missing: list[str] = []
    settings = {
        key.name: _settle(key, values.get(key.name), problems, missing) for key in KEYS.values()
    }
    if missing == ["docroot"] and len(problems) == 1 and not needs_docroot:
        return Settings(**settings)
    if problems:
        raise ConfigError(problems, may_pass=len(missing) == len(problems))
    return Settings(**settings)


def _gather(
    config_file: str | None,
    options: Mapping[str, Any],
    spelling: Mapping[str, str],
    problems: list[str],
) -> dict[str, Value]:
    trees = {key.name for key in KEYS.values() if key.is_tree}
    values = _read_file(config_file, trees, problems) if config_file else {}
    for name, raw in options.items():
        values[name] = Value(raw, spelling.get(name, f"--{name.replace('_', '-')}"), os.curdir)
    return values


def _read_file(path: str, trees: set[str], problems: list[str]) -> dict[str, Value]:
    with needing_packages():
        # A server without a config file does without PyYAML.
        from httpd.config_file import read_config_file  # noqa: PLC0415
    return read_config_file(path, KEYS, trees, problems)


def _settle(
    key: Key, value: Value | None, problems: list[str], missing: list[str] | None = None
) -> Any:
    """Return the value of a key; what it names and is not there is added to `missing` as well."""
    if value is None or value.raw is None:
        return None if key.default is None else key.read(key.default)
    raw = value.raw
    try:
        if key.is_path and isinstance(raw, str) and raw:
            raw = _make_absolute(raw, value.directory)
        return key.read(raw)
    except NotThereError as error:
        problems.append(f"{value.place}: {error}")
        if missing is not None:
            missing.append(key.name)
        return raw
    except ValueError as error:
        allowed, *wrong = error.args
        problems.append(refuse(value.place, wrong[0] if wrong else raw, allowed))
    except ConfigError as error:
        problems.extend(error.problems)
    return None


def _make_absolute(path: str, directory: str) -> str:
    """Return an absolute path, for which there need not be a working directory if it is one."""
    path = os.path.join(directory, os.path.expanduser(path))
    try:
        return os.path.abspath(path)
    except OSError:
        raise ValueError("an absolute path, since there is no working directory") from None
