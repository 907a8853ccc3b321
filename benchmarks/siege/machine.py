"""What a report says of the machine and the programs, without naming the host."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from benchmarks.siege import attack
from httpd import __version__


def versions() -> dict[str, str]:
    """Return the versions of what takes part."""
    return {
        "phttpd": __version__,
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Siege": attack.version(),
    }


def machine() -> dict[str, str]:
    """Return what may matter for the figures, and the load average while nothing runs yet."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory / 2**30:.1f} GiB",
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
        "kernel": platform.release(),
        "load average": f"{os.getloadavg()[0]:.2f}",
        "client ports": " to ".join(setting("net/ipv4/ip_local_port_range").split()),
        "tcp_tw_reuse": setting("net/ipv4/tcp_tw_reuse"),
        "somaxconn": setting("net/core/somaxconn"),
    }


def setting(name: str) -> str:
    """Return a setting of the kernel; some cannot be seen in a container."""
    try:
        return Path("/proc/sys", name).read_text().strip()
    except FileNotFoundError:
        return "unknown"


def processor() -> str:
    match = re.search(r"^model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return match[1] if match else platform.machine()
