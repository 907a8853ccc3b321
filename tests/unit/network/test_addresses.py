"""The addresses that a person can type, in place of those that mean every address."""

from __future__ import annotations

import socket

import pytest

from httpd.network.addresses import machine_addresses, visible_urls

MACHINE = ["192.0.2.7", "2001:db8::7"]


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("http://*:8080/", ["localhost:8080", "192.0.2.7:8080", "[2001:db8::7]:8080"]),
        ("http://[::]:8080/", ["localhost:8080", "[2001:db8::7]:8080"]),
        ("http://0.0.0.0:8080/", ["localhost:8080", "192.0.2.7:8080"]),
        ("http://*:80/", ["localhost", "192.0.2.7", "[2001:db8::7]"]),
        ("http://127.0.0.1:8080/", ["127.0.0.1:8080"]),
        ("http://[::1]:80/", ["[::1]"]),
        ("http://[fe80::1%eth0]:8080/", ["[fe80::1%eth0]:8080"]),
    ],
)
def test_visible_urls_of_a_listener(url: str, names: list[str]) -> None:
    assert visible_urls([url], MACHINE) == [f"http://{name}/" for name in names]


def test_visible_urls_leave_a_unix_socket_and_name_nothing_twice() -> None:
    urls = ["unix:/run/a", "http://0.0.0.0:80/", "http://[::]:80/"]
    found = ["unix:/run/a", "http://localhost/", "http://192.0.2.7/", "http://[2001:db8::7]/"]
    assert visible_urls(urls, MACHINE) == found


def test_visible_urls_call_both_loopback_addresses_localhost() -> None:
    urls = ["http://127.0.0.1:8080/", "http://[::1]:8080/", "http://[::1]:8081/"]
    assert visible_urls(urls, MACHINE) == ["http://localhost:8080/", "http://[::1]:8081/"]


def test_machine_addresses_are_those_of_this_machine() -> None:
    for address in machine_addresses():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as probe:
            probe.bind((address, 0))
        assert not address.startswith(("127.", "fe80:"))
        assert address != "::1"
