"""Where the monitor may listen, given where the sites are served."""

from __future__ import annotations

import os
import re

import pytest

from httpd.configuration import load
from httpd.monitor.addresses import find_faults
from tests.unit.settings.reading import Write, problems_of


def test_downloads_log_needs_the_monitor_that_writes_it(write: Write) -> None:
    path = write("downloads_log: downloads.log\n")
    (found,) = problems_of(path)
    why = "the monitor writes this file; set monitor as well"
    assert re.fullmatch(rf"{re.escape(path)}:\d+: downloads_log: {why}", found)
    path = write("monitor: 127.0.0.1:9180\ndownloads_log: downloads.log\n")
    expected = os.path.join(os.path.dirname(path), "downloads.log")
    assert load(path, {}).monitoring.downloads_log == expected


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("monitor: 127.0.0.1:9180", None),
        ("monitor: 127.9.9.9:9180", None),
        ("monitor: '[::1]:9180'", None),
        ("monitor: LocalHost:9180", None),
        ("monitor: a.localhost:9180", None),
        ("monitor: /run/phttpd/monitor.sock", None),
        ("monitor: 192.0.2.1:9180", "192.0.2.1:9180 can be reached from other machines"),
        ("monitor: '*:9180'", "*:9180 can be reached from other machines"),
        ("monitor: '[::]:9180'", "[::]:9180 can be reached from other machines"),
        ("monitor: lab.example:9180", "lab.example:9180 can be reached from other machines"),
        ("monitor: '*:9180'\nmonitor_clients: [10.0.0.0/8]", None),
        ("monitor: '*:9180'\nmonitor_clients: []", "*:9180 can be reached from other machines"),
        ("monitor: 127.0.0.1:8080", "127.0.0.1:8080 has the port of the sites"),
        ("port: 0\nmonitor: 127.0.0.1:0", None),
        (
            "host: {unix: /run/a.sock}\nmonitor: /run/a.sock",
            "/run/a.sock is a socket of the sites",
        ),
        ("host: {unix: /run/a.sock}\nmonitor: 127.0.0.1:8080", None),
    ],
)
def test_address_of_the_monitor_is_its_own_and_its_clients_are_named(
    write: Write, lines: str, problem: str | None
) -> None:
    path = write(f"{lines}\n")
    if problem is None:
        settings = load(path, {})
        assert not find_faults(settings.monitoring, settings.listen, {})
    else:
        (found,) = problems_of(path)
        assert found.startswith(f"{path}:")
        assert f": monitor: {problem}" in found
