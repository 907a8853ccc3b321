"""Whether a client gets HTML or JSON."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.site.listing.accept import wants_json
from tests.unit.guard import must_end


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        ("text/html", False),
        ("application/json", True),
        ("Application/JSON", True),
        ("application/json;charset=utf-8", True),
        ("application/*", True),
        ("application/json, */*;q=0.1", True),
        ("application/json, text/plain, */*", True),
        ("application/json, text/html", False),
        ("application/json;q=0.9, text/html", False),
        ("application/json, text/html;q=0.999", True),
        ("application/json ; q=0.8 , text/*;q=0.7", True),
        ("application/json;Q=0.8,text/html;Q=0.7", True),
        ("application/json;q=0.5, */*;q=0.8", False),
        ("application/json;q=0.5, text/html;q=0.3, */*", True),
        ("application/*;q=0.9, application/json;q=0.1, text/html;q=0.5", False),
        ("application/json;q=0", False),
        ("application/json;q=0, text/html;q=0", False),
        ("*/*;q=0, application/json;q=0.001", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("application/json;q=2", False),
        ("application/json;q=0.1234", False),
        ("application/json;q=-1", False),
        ("application/json;q=", False),
        ("application/json;q=nan, text/html;q=0.1", False),
        ("application/json;q=x, application/json;q=0.2", True),
        ("application/json;q=1.000", True),
        ("application/json;q=1.", True),
        ('text/html;level="1,2;q=0";q=0.1, application/json;q=0.2', True),
        ('text/plain;x="a, application/json', False),
        (r'text/plain;x="\", application/json;q=1", text/html', False),
        (",,application/json,,", True),
        (";;;,;q=1,/,*", False),
    ],
)
def test_an_accept_field_decides_between_html_and_json(accept: str | None, expected: bool) -> None:
    assert wants_json(accept) is expected


@given(st.text(st.sampled_from('aq=;,"\\ /*0.1')))
def test_any_accept_field(accept: str) -> None:
    assert wants_json(accept) in (False, True)


@pytest.mark.parametrize(
    "unit", [",", ";", '"', "\\", '"\\', '\\"', 'a/b;q="', "*/*,", "q=0.5;", "text/html;q=1,"]
)
def test_a_hostile_accept_field_takes_linear_time(unit: str) -> None:
    for start in "", '"':
        with must_end():
            assert wants_json(start + unit * (1_000_000 // len(unit))) is False
