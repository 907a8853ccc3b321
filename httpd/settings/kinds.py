"""Kinds of values: numbers, sizes, times, flags and texts, each with its JSON Schema.

A value comes as YAML made it, or as text from the command line.  Both are read by the same
function, so a number is decimal in both.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

NO_PARTS: Mapping[str, str] = MappingProxyType({})


class Kind(NamedTuple):
    """What a value may be.

    Args:
        allowed: what is allowed, as an error message and the documentation say it.
        read: returns the value as the program uses it; raises ValueError with `allowed` and, for a
            list, the wrong item.
        schema: the same as JSON Schema, for editors.  It accepts every value that `read` accepts.
            It accepts more only where the machine, the size of a number in a text, or the spelling
            of a number or an address decides.
        reads_tree: `read` takes a `Tree`, or the default.  It also raises ConfigError, with
            everything that is wrong inside the tree.
        is_path: a relative path is relative to the config file or, on the command line, to the
            working directory.
        words: texts that are no paths, although `is_path`.
        parts: for a mapping, or a list of mappings: the help text of each of its keys.
    """

    allowed: str
    read: Callable[[Any], Any]
    schema: Mapping[str, Any]
    reads_tree: bool = False
    is_path: bool = False
    words: Collection[str] = ()
    parts: Mapping[str, str] = NO_PARTS


# ---------------------------------------------------------------- numbers

_DIGITS = "[0-9]{1,18}"
_SIZES = {"": 1, "B": 1, "KB": 1000, "KIB": 1024, "MB": 1000**2, "MIB": 1024**2, "GIB": 1024**3}
_SIZES |= {"K": 1024, "M": 1024**2, "G": 1024**3, "GB": 1000**3}
_TIMES = {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DECIMAL = r"[0-9]{1,9}(?:\.[0-9]{1,6})?"


def whole(least: int, most: int) -> Kind:
    """Return the kind of a whole number within two limits."""
    allowed = f"a whole number from {least} to {most}"

    def read(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(_DIGITS, value):
            value = int(value)
        if type(value) is not int or not least <= value <= most:
            raise ValueError(allowed)
        return value

    return Kind(allowed, read, _number_or_text("integer", least, most, _DIGITS))


def size(least: int, most: int) -> Kind:
    """Return the kind of a number of bytes within two limits."""
    allowed = f"a size such as 65536, 64KiB or 1MiB, from {least} to {most} bytes"

    def read(value: Any) -> int:
        match = re.fullmatch(r"([0-9]{1,15}) ?([A-Za-z]*)", str(value))
        unit = _SIZES.get(match[2].upper()) if match and type(value) is not bool else None
        if not match or unit is None or not least <= int(match[1]) * unit <= most:
            raise ValueError(allowed)
        return int(match[1]) * unit

    text = f"[0-9]{{1,15}} ?({'|'.join(map(any_case, _SIZES))})"
    return Kind(allowed, read, _number_or_text("integer", least, most, text))


def duration(least: float, most: float) -> Kind:
    """Return the kind of a time in seconds within two limits."""
    allowed = f"a time such as 500ms, 30s, 5min or 12h, from {least} to {most} seconds"

    def read(value: Any) -> float:
        match = re.fullmatch(rf"({_DECIMAL}) ?([a-z]*)", str(value))
        unit = _TIMES.get(match[2]) if match and type(value) is not bool else None
        if not match or unit is None or not least <= float(match[1]) * unit <= most:
            raise ValueError(allowed)
        return float(match[1]) * unit

    text = f"{_DECIMAL} ?({'|'.join(_TIMES)})"
    return Kind(allowed, read, _number_or_text("number", least, most, text))


def whole_seconds(least: int, most: int) -> Kind:
    """Return the kind of a time of which fractions of a second are dropped."""
    seconds = duration(least, most)
    return seconds._replace(read=lambda value: int(seconds.read(value)))


def or_auto(kind: Kind, auto: Callable[[], int], most: int) -> Kind:
    """Return a kind of whole number that the server can choose itself.

    Args:
        kind: of the number.
        auto: returns what the server chooses; called when the value is read.
        most: the upper limit, for what `auto` returns.
    """
    allowed = f"auto, or {kind.allowed}"

    def read(value: Any) -> int:
        if value == "auto":
            return min(auto(), most)
        try:
            return int(kind.read(value))
        except ValueError:
            raise ValueError(allowed) from None

    pattern = str(kind.schema["pattern"]).removeprefix("^(").removesuffix(")$")
    return Kind(allowed, read, {**kind.schema, "pattern": f"^(auto|{pattern})$"})


def _number_or_text(number: str, least: float, most: float, text: str) -> dict[str, Any]:
    limits = {"minimum": least, "maximum": most}
    return {"type": [number, "string"], **limits, "pattern": f"^({text})$"}


# ---------------------------------------------------------------- words


def _read_flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("true or false")
    return value


FLAG = Kind("true or false", _read_flag, {"type": "boolean"})


def one_of(*words: str) -> Kind:
    """Return the kind of one word out of several."""
    allowed = " or ".join(words)

    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(allowed)
        return str(value)

    return Kind(allowed, read, {"enum": list(words)})


def texts(allowed: str, pattern: str, is_possible: Callable[[str], bool] = lambda _: True) -> Kind:
    """Return the kind of a text or a list of texts, which is read as a tuple.

    Args:
        allowed: what is allowed, in words.
        pattern: a regular expression for the whole of each text.
        is_possible: tells whether a text that matches the pattern is right.
    """

    def read(value: Any) -> tuple[str, ...]:
        values = value if isinstance(value, list) else [value]
        wrong = [text for text in values if not is_good(text)]
        if wrong or not values:
            raise ValueError(allowed, *wrong[:1])
        return tuple(values)

    def is_good(text: Any) -> bool:
        is_text = isinstance(text, str) and is_encodable(text)
        return is_text and re.fullmatch(pattern, text) is not None and is_possible(text)

    text = {"type": "string", "pattern": f"^({pattern})$"}
    return Kind(allowed, read, {**text, "type": ["string", "array"], "items": text, "minItems": 1})


def is_encodable(text: str) -> bool:
    """Tell whether a text can be the name of a file; a lone surrogate cannot."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def any_case(word: str) -> str:
    """Return the regular expression for a word in whatever case; JSON Schema has no flags."""
    return "".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else c for c in word)
