"""A machine with a systemd of its own: a container over a copy-on-write view of a directory.

Needs root, overlayfs and systemd-nspawn(1).  Mounts live in a mount namespace that ends with the
container, and the container is shut down when this process dies, so neither is ever left behind.
"""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from tests.support.server import DEADLINE

# What the machine that runs the tests has made of its own systemd; the container has none of it.
_CLEARED = ("etc/systemd/system", "etc/rc2.d", "etc/rc3.d", "etc/rc5.d", "var/log/journal")
# Images for containers have it, and then packages start no service.
_NO_SERVICES = "usr/sbin/policy-rc.d"

# The mount is seen in here only.  A cgroup of its own keeps two machines apart.
_BOOT = """
set -e
cd "$DIRECTORY"
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=upper,workdir=work" root
for cgroups in $CGROUPS; do
    mkdir -p "$cgroups"
    echo $$ > "$cgroups/cgroup.procs"
done
exec setpriv --pdeathsig TERM systemd-nspawn --boot --directory=root --machine="$NAME" \\
    --register=no --keep-unit --private-network --notify-ready=yes --console=pipe \\
    --kill-signal=SIGRTMIN+4
"""


class Machine:
    """A booted container.

    Args:
        lower: the directory that holds the files of the machine; it is never written to.
    """

    def __init__(self, lower: Path = Path("/")) -> None:
        identity = uuid.uuid4().hex
        self.name = f"phttpd-{identity[:12]}"
        self.directory = Path(tempfile.gettempdir(), self.name)
        self.directory.mkdir()
        self.files = self.directory / "upper"
        self._lower = lower
        for name in ("upper", "work", "root"):
            (self.directory / name).mkdir()
            (self.directory / name).chmod(0o755)
        for name in _CLEARED:
            (self.files / name).mkdir(parents=True)
            os.setxattr(self.files / name, "trusted.overlay.opaque", b"y")
        if (lower / _NO_SERVICES).exists():  # whiteout, as in Linux's documentation of overlayfs
            (self.files / _NO_SERVICES).parent.mkdir(parents=True)
            os.mknod(self.files / _NO_SERVICES, stat.S_IFCHR)
        (self.files / "etc/machine-id").write_text(f"{identity}\n")
        self._cgroups = [Path(f"{directory}/{self.name}") for directory in _own_cgroups()]
        self._leader = 0
        self._nspawn: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def booted(cls, lower: Path = Path("/")) -> Iterator[Self]:
        """Run a machine for a `with` block."""
        machine = cls(lower)
        try:
            machine.boot()
            yield machine
        finally:
            machine.end()
            machine.remove()

    # ---------------------------------------------------------------- its life

    def boot(self) -> None:
        """Start it, and wait until it is up."""
        path = f"{self.directory}/notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(0.1)
            with open(f"{self.directory}/console", "ab") as console:
                self._nspawn = subprocess.Popen(
                    ["unshare", "--mount", "--propagation", "private", "sh", "-c", _BOOT],
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=console,
                    env={
                        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                        "LOWER": str(self._lower),
                        "DIRECTORY": str(self.directory),
                        "NAME": self.name,
                        "CGROUPS": shlex.join(map(str, self._cgroups)),
                        "NOTIFY_SOCKET": path,
                    },
                )
            until = time.monotonic() + 2 * DEADLINE
            while not self._is_up(notify):
                if self._nspawn.poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"the machine did not boot: {self.console()}")
        os.unlink(path)

    def _is_up(self, notify: socket.socket) -> bool:
        """Receive the messages of nspawn; see NOTIFY_SOCKET in systemd-nspawn(1)."""
        try:
            said = notify.recv(4096).decode()
        except TimeoutError:
            return False
        for pid in re.findall("^X_NSPAWN_LEADER_PID=([0-9]+)", said, re.MULTILINE):
            self._leader = int(pid)
        return "READY=1" in said

    def power_off(self) -> None:
        """Shut it down as its operator would."""
        self.run("systemctl", "poweroff")
        assert self._nspawn
        self._nspawn.wait(DEADLINE)

    def end(self) -> None:
        """End it at once, whatever state it is in; its files stay."""
        if self._leader:
            with suppress(ProcessLookupError):
                os.kill(self._leader, signal.SIGKILL)
        if self._nspawn:
            with suppress(subprocess.TimeoutExpired):
                self._nspawn.wait(DEADLINE)
            self._nspawn.kill()
            self._nspawn.wait(DEADLINE)
        self._leader = 0

    def remove(self) -> None:
        """Remove its files and its cgroups."""
        shutil.rmtree(self.directory)
        for top in self._cgroups:
            for directory in [*sorted(top.rglob("*/"), reverse=True), top]:
                if directory.is_dir():
                    directory.rmdir()

    def console(self) -> str:
        """Return what it has said so far."""
        return (self.directory / "console").read_text(errors="replace")

    # ---------------------------------------------------------------- in there

    def run(self, *command: str, check: bool = True, timeout: float = DEADLINE) -> str:
        """Run a command as root in there and return its output; with `check` it must succeed."""
        done = subprocess.run(
            self._enter(*command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert not check or done.returncode == 0, f"{shlex.join(command)}: {done}"
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command as root in there; who uses that waits for its end."""
        return subprocess.Popen(
            self._enter(*command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _enter(self, *command: str) -> list[str]:
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wdns=/")
        enter = ["nsenter", f"--target={self._leader}", *spaces, "--"]
        return [*enter, "env", "--ignore-environment", *_ENVIRONMENT, *command]

    def status(self, *command: str, timeout: float = DEADLINE) -> int:
        """Run a command as root in there and return its exit status."""
        out = self.run("sh", "-c", '"$@" >/dev/null 2>&1; echo $?', "sh", *command, timeout=timeout)
        return int(out)

    def path(self, path: str) -> Path:
        """Return the path by which this process reaches a file of the running machine."""
        return Path(f"/proc/{self._leader}/root{path}")

    def find(self, word: str) -> set[str]:
        """Return the paths of all files and directories that programs have left, by their names.

        Only what was written in there is looked at: all of a system takes minutes on a cold disk.
        """
        tops = ("etc", "srv", "usr", "var/lib", "var/log")
        written = {f"/{top}": self.files / top for top in tops} | {"/run": self.path("/run")}
        found = set()
        for top, layer in written.items():
            for directory, directories, files in os.walk(layer):
                for path in (Path(directory, name) for name in (*directories, *files)):
                    name = f"{top}/{path.relative_to(layer)}"
                    # Bytecode is written by the user who runs a program first.
                    if word in name and "__pycache__" not in path.parts and not _is_whiteout(path):
                        found.add(name)
        return found

    def install(self, package: Path) -> str:
        """Install a Debian package and return what was said meanwhile."""
        shutil.copy(package, self.path("/root"))
        return self.run("dpkg", "--install", f"/root/{package.name}", timeout=2 * DEADLINE)

    @contextmanager
    def network(self) -> Iterator[None]:
        """Let this thread, and the threads that it starts, open their sockets in there."""
        with (
            open("/proc/thread-self/ns/net") as home,
            open(f"/proc/{self._leader}/ns/net") as there,
        ):
            _set_network(there.fileno())
            try:
                yield
            finally:
                _set_network(home.fileno())


_ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
    "SYSTEMD_PAGER=",
    "SYSTEMD_COLORS=0",
    "COLUMNS=200",
    "DEBIAN_FRONTEND=noninteractive",
)


def _is_whiteout(path: Path) -> bool:
    """Tell whether overlayfs marks a removed file by this."""
    return stat.S_ISCHR(path.lstat().st_mode)


def _own_cgroups() -> Iterator[str]:
    """Yield the directories of this process's own cgroups that systemd cares for, see
    cgroups(7).
    """
    mounts = {
        "0": ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"),
        "name=systemd": ("/sys/fs/cgroup/systemd",),
    }
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, name, path = line.split(":", 2)
        for mount in mounts.get(name or number, ()):
            if os.path.exists(f"{mount}{path}/cgroup.procs"):
                yield f"{mount}{path}".rstrip("/")


def _set_network(namespace: int) -> None:
    # os.setns() came with Python 3.12.
    if ctypes.CDLL(None, use_errno=True).setns(namespace, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")
