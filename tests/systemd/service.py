"""phttpd as the operator of a machine sees it: a service, a config file, a journal."""

from __future__ import annotations

import json
from pathlib import Path
from signal import Signals
from typing import Any

from tests.process.events import until
from tests.support.raw import Response, ask
from tests.systemd.machine import Machine

ROOT = Path(__file__).parents[2]
CONFIG = "/etc/phttpd/phttpd.yaml"
DROP_IN = "/etc/systemd/system/{}.d/test.conf"
UNITS = ("phttpd.socket", "phttpd.service")

Setting = str | int | bool


class Service:
    """phttpd.service on a machine that has the package."""

    def __init__(self, machine: Machine, name: str = "phttpd.service") -> None:
        self.machine = machine
        self.name = name
        self._cursor = ""

    def reset(self) -> None:
        """Stop everything and make it as it was installed."""
        run = self.machine.run
        run("systemctl", "stop", *UNITS, "phttpd@*.service")
        run("sh", "-c", "rm -rf /etc/systemd/system/phttpd*.d /var/log/phttpd/*")
        run(
            "sh",
            "-c",
            f"test -e {CONFIG}.orig || cp {CONFIG} {CONFIG}.orig; cp {CONFIG}.orig {CONFIG}",
        )
        run("systemctl", "daemon-reload")
        run("systemctl", "reset-failed")
        shown = run("journalctl", "--quiet", "--lines=0", "--show-cursor")
        self._cursor = shown.rpartition("-- cursor: ")[2].strip()

    # ---------------------------------------------------------------- what the operator does

    def start(self) -> None:
        self.machine.run("systemctl", "start", self.name)

    def stop(self) -> None:
        self.machine.run("systemctl", "stop", self.name)

    def configure(self, **settings: Setting) -> None:
        """Have these settings in the config file, in the place of any that are there."""
        path = self.machine.path(CONFIG)
        lines = [
            line for line in path.read_text().splitlines() if line.partition(":")[0] not in settings
        ]
        lines += [f"{key}: {json.dumps(value)}" for key, value in settings.items()]
        path.write_text("\n".join(lines) + "\n")

    def drop_in(self, text: str, unit: str = "") -> None:
        """Change a unit as ``systemctl edit`` does."""
        path = self.machine.path(DROP_IN.format(unit or self.name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.machine.run("systemctl", "daemon-reload")

    def put(self, name: str, size: int) -> None:
        """Put a file of this size, which takes no room on the disk, into the docroot."""
        path = self.machine.path(f"/srv/phttpd/{name}")
        with open(path, "wb") as file:
            file.truncate(size)

    def kill(self, pid: int, number: Signals) -> None:
        """Send a signal to a process, given by its number in the machine."""
        self.machine.run("kill", f"-{number.value}", str(pid))

    # ---------------------------------------------------------------- what the operator sees

    def fetch(self, target: str = "/") -> Response:
        return ask(80, target)

    def show(self, prop: str) -> str:
        """Return a property of the unit."""
        return self.machine.run("systemctl", "show", "--value", "-p", prop, self.name).strip()

    @property
    def pid(self) -> int:
        return int(self.show("MainPID"))

    def report(self) -> dict[str, Any]:
        """Return what ``phttpd status --json`` says."""
        report: dict[str, Any] = json.loads(self.machine.run("phttpd", "status", "--json"))
        return report

    def workers(self) -> list[int]:
        return [worker["pid"] for worker in self.report()["workers"]]

    def processes(self) -> list[int]:
        """Return all processes of the user whom the package made."""
        shown = self.machine.run("ps", "-u", "phttpd", "-o", "pid=", check=False)
        return [int(word) for word in shown.split()]

    def descriptors(self) -> int:
        """Return how many descriptors the supervisor has open."""
        return len(list(self.machine.path(f"/proc/{self.pid}/fd").iterdir()))

    def journal(self, *options: str) -> list[str]:
        """Return the messages since the test began; those of systemd, too."""
        out = self.machine.run(
            *("journalctl", "--quiet", "--output=cat", f"--after-cursor={self._cursor}"),
            *("--unit", self.name, *options),
        )
        return out.splitlines()

    def until_active(self) -> None:
        """Wait until the start has ended, whichever process requested it."""
        until(lambda: self.show("ActiveState") == "active", "an active service")
