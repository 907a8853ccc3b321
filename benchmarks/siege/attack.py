"""Runs Siege, or several at a time, and reads what they say."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environment import UnavailableError, program
from benchmarks.siege.figures import Figures, FiguresError, figures_from, total

FAILURES = 1024
"""Failed transactions after which Siege gives up; this is its own default."""

SOCKET_TIMEOUT = 30
"""Seconds that Siege waits for a connection; this is its own default."""

GRACE = 20
"""Seconds that Siege may go on after its time; a healthy one is done in one."""

MOST = 512
"""Users of one Siege.  With more descriptors than FD_SETSIZE (select(2)), Siege 4 asks poll(2)
about another one than its own, and then fails or hangs by itself."""

# Only the page itself is loaded, not what it links to: with `parser`, Siege 4 would load that too.
SIEGERC = """\
verbose = false
color = off
logging = false
show-logfile = false
parser = false
protocol = HTTP/1.1
connection = {connection}
limit = {users}
failures = {failures}
timeout = {timeout}
"""

MESSAGE = re.compile(r"^\[(?:error|warning|alert|fatal)\] *(.*?)\s*$", re.MULTILINE | re.IGNORECASE)

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class SiegeError(Exception):
    """Siege came to no good end, which may be its own fault."""


@dataclass(frozen=True)
class Attack:
    """What came of a run of Siege."""

    figures: Figures
    errors: dict[str, int]
    """Siege's messages and how often each came, the most frequent first."""
    cpu_seconds: float


def attack(
    url: str,
    *,
    users: int,
    seconds: int,
    connection: str,
    tick: Callable[[float], None],
    reps: int | None = None,
) -> Attack:
    """Lay siege to a URL, with one Siege for up to MOST users.

    Args:
        url: what every user loads, again and again.
        users: how many there are.
        seconds: how long.  Siege counts whole seconds of the clock: it may be one less or more.
        connection: CLOSE or KEEP_ALIVE.
        tick: called about once a second with the seconds since the start.
        reps: how often each user loads the URL, which should take about so many seconds.  At the
            end of a time, Siege 4.0 cancels its threads wherever they are; now and then one of
            them holds a lock of malloc(3), and Siege hangs.  After so many loads they end well.

    Raises:
        SiegeError: Siege crashed, did not end, or said nothing of use.
    """
    cpu_before = children_cpu_seconds()
    with tempfile.TemporaryDirectory(prefix="phttpd-siege-") as name, ExitStack() as stack:
        sieges = []
        for number, share in enumerate(send_budget(users)):
            home = Path(name, str(number))
            home.mkdir()
            end = f"--reps={reps}" if reps else f"--time={seconds}s"
            options = [f"--concurrent={share}", "--benchmark", end, url]
            settings = SIEGERC.format(
                connection=connection, users=share, failures=FAILURES, timeout=SOCKET_TIMEOUT
            )
            process = start(home, settings, options)
            stack.callback(stop, process)
            sieges.append((process, home))
        # The number of loads is an estimate.
        limit = (4 * seconds if reps else seconds) + GRACE
        wait([process for process, _ in sieges], limit, tick)
        every = [figures_of(process.returncode, home) for process, home in sieges]
        said = "".join((home / "err").read_text(errors="replace") for _, home in sieges)
    return Attack(total(every), count_messages(said), children_cpu_seconds() - cpu_before)


def send_budget(users: int) -> list[int]:
    """Divide the users evenly among as many Sieges as they need."""
    count = -(-users // MOST)
    return [users // count + (number < users % count) for number in range(count)]


def start(home: Path, settings: str, options: list[str]) -> subprocess.Popen[bytes]:
    """Start Siege; what it writes goes to files, as a pipe would be full before anyone reads it."""
    (home / "siegerc").write_text(settings)
    command = [program("siege", "siege"), f"--rc={home / 'siegerc'}", "--json-output", *options]
    with (home / "out").open("wb") as out, (home / "err").open("wb") as err:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment(home)
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()


def figures_of(status: int, home: Path) -> Figures:
    """Return the figures of a Siege that has ended."""
    if status:
        said = last_line((home / "err").read_text(errors="replace"))
        raise SiegeError(f"Siege ended with status {status}: {said}")
    try:
        return parse((home / "out").read_text(errors="replace"))
    except FiguresError as error:
        raise SiegeError(f"Siege said no figures: {error}") from None


def environment(home: Path) -> dict[str, str]:
    """Return an environment with a home of its own: Siege writes there, and reads what is there."""
    return {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}


def wait(
    processes: Sequence[subprocess.Popen[bytes]], limit: int, tick: Callable[[float], None]
) -> None:
    """Wait until all have ended, for a limited time in seconds."""
    start = time.monotonic()
    while running := [process for process in processes if process.poll() is None]:
        passed = time.monotonic() - start
        if passed >= limit:
            raise SiegeError(f"Siege did not end within {limit} s")
        tick(passed)
        with suppress(subprocess.TimeoutExpired):
            running[0].wait(1)


def children_cpu_seconds() -> float:
    """Return the CPU time of all children that have ended; the servers run on."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def parse(output: str) -> Figures:
    """Read the figures from the output of `siege --json-output`, which may begin with other text.

    Raises:
        FiguresError: there are none.
    """
    try:
        values = json.loads(output[output.index("{") :])
    except ValueError:
        raise FiguresError(f"no JSON in {output[-200:]!r}") from None
    return figures_from(values)


def count_messages(said: str) -> dict[str, int]:
    """Count Siege's messages, without what differs from one user to the next."""
    messages = MESSAGE.findall(COLOUR.sub("", said))
    plain = (re.sub(r"\s*-?\d{4,}\s*|\s*\S+\.c:\d+:?", " ", message) for message in messages)
    return dict(Counter(" ".join(message.split()) for message in plain).most_common())


def last_line(said: str) -> str:
    lines = COLOUR.sub("", said).split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def version() -> str:
    """Return the version of Siege, such as 4.0.7."""
    with tempfile.TemporaryDirectory(prefix="phttpd-siege-") as home:
        done = subprocess.run(
            [program("siege", "siege"), "--version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=GRACE,
            env=environment(Path(home)),
        )
    match = re.search(r"SIEGE ([0-9]\S*)", done.stdout + done.stderr)
    if match is None:
        raise UnavailableError(f"siege --version says no version: {done.stdout}{done.stderr}")
    return match[1]
