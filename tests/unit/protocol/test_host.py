"""Names of hosts: every spelling of a name is one name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.protocol.host import host_name, is_own_name

SPELLINGS = [
    ("example.com", "example.com"),
    ("Example.COM", "example.com"),
    ("example.com:80", "example.com"),
    ("example.com:", "example.com"),
    ("example.com.", "example.com"),
    ("example.com.:8080", "example.com"),
    ("example.com..", "example.com."),
    ("a_b-c.example", "a_b-c.example"),
    ("127.0.0.1", "127.0.0.1"),
    ("127.0.0.1:8080", "127.0.0.1"),
    ("[::1]", "[::1]"),
    ("[::1]:8080", "[::1]"),
    ("[0:0:0:0:0:0:0:1]", "[::1]"),
    ("[2001:DB8::00A]:", "[2001:db8::a]"),
    ("[V1.X:y]:80", "[v1.x:y]"),
    ("xn--MLLER-kva.example", "xn--mller-kva.example"),
    ("%61.example", "%61.example"),
    (".", ""),
]


@pytest.mark.parametrize(("host", "name"), SPELLINGS)
def test_spelling_of_a_host_is_its_name(host: str, name: str) -> None:
    assert host_name(host) == name


@given(
    st.from_regex(r"[0-9A-Za-z_-]{1,9}(\.[0-9A-Za-z_-]{1,9}){0,3}", fullmatch=True),
    st.sampled_from(["", "."]),
    st.sampled_from(["", ":", ":80", ":8080"]),
    st.booleans(),
)
def test_case_port_and_one_dot_make_no_difference(
    name: str, dot: str, port: str, upper: bool
) -> None:
    spelled = (name.upper() if upper else name) + dot + port
    assert host_name(spelled) == name.lower()


OWN = frozenset({"box", "box.local"})
OWN_HOSTS = [
    *("localhost", "LocalHost:8080", "localhost.", "a.localhost", "A.b.Localhost.:80"),
    *("box", "BOX:8080", "box.", "box.local", "Box.Local.:1"),
    *("127.0.0.1", "127.0.0.1:8080", "192.0.2.7.", "0.0.0.0", "[::1]", "[::1]:8080"),
    *("[2001:DB8::A]", "[::ffff:192.0.2.7]:", "169.254.1.1"),
]
OTHER_HOSTS = [
    *("evil.example", "evil.example:8080", "EVIL.example.", "localhost.evil.example"),
    *("notlocalhost", "127.0.0.1.evil.example", "box.evil.example", "abox"),
    *("box.box.local", "local", "boxlocal", "localhost..", "127.0.0.256", "1.2.3"),
    *("127.0.0.1x", "%6cocalhost", ".", "[v1.localhost]"),
]


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_name_that_no_attacker_can_move_is_own(host: str) -> None:
    assert is_own_name(host_name(host), OWN)


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_name_of_another_machine_is_not_own(host: str) -> None:
    assert not is_own_name(host_name(host), OWN)
