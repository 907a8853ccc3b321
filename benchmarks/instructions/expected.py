"""The counts that are expected, for each build of Python: those of the last change of a count.

Another build of the same version has other counts: the compiler and its options decide.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path

from benchmarks.environment import UnavailableError
from benchmarks.instructions.counting import Counts

STORED = Path(__file__).with_name("expected.json")
TOLERANCE = 0.02
"""How far a count may be from the expected one, as a part of it."""


def name_of(build: str) -> str:
    """Return the name under which the counts of a build are stored: version and architecture."""
    return f"{build.split(maxsplit=1)[0]} {platform.machine()}"


def load(build: str, stored: Path = STORED) -> dict[str, int]:
    """Return the expected counts.

    Raises:
        UnavailableError: none are stored for this build.
    """
    name = name_of(build)
    entry = json.loads(stored.read_text()).get(name)
    if entry is None:
        raise UnavailableError(f"nothing to compare with: no counts of Python {name} are stored")
    if entry["build"] != build:
        raise UnavailableError(
            f"nothing to compare with: counts of Python {name} are stored for the build "
            f"{entry['build']!r}, and this is {build!r}"
        )
    instructions: dict[str, int] = entry["instructions"]
    return instructions


def store(counts: Counts, stored: Path = STORED) -> None:
    """Expect these counts from now on."""
    content = json.loads(stored.read_text())
    content[name_of(counts.build)] = counts._asdict()
    stored.write_text(json.dumps(dict(sorted(content.items())), indent=1) + "\n")


def outside(expected: dict[str, int], measured: dict[str, int]) -> dict[str, str]:
    """Return the kinds whose counts are not as expected, and what is the matter with each."""
    found = {}
    for kind in expected | measured:
        if kind not in measured:
            found[kind] = "is not measured any more"
        elif kind not in expected:
            found[kind] = "is new"
        elif (ratio := measured[kind] / expected[kind]) > 1 + TOLERANCE:
            found[kind] = "takes more"
        elif ratio < 1 - TOLERANCE:
            found[kind] = "takes less"
    return found
