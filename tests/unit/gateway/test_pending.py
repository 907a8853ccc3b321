"""Responses that take several steps to make, while time passes and drains begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from httpd.gateway.gateway import Gateway
from httpd.protocol.response import Response
from httpd.site.settings import SiteSettings
from tests.unit.gateway.gateways import done, make_gateway
from tests.unit.protocol.heads import head

LISTING = head(target="/")


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return make_gateway(SiteSettings(docroot=str(tmp_path), expires=0, listing=True))


def test_pending_response_when_a_drain_begins_keeps_the_connection(gateway: Gateway) -> None:
    """What the client has pipelined is still to be served."""
    pending = gateway.respond(LISTING)
    assert pending is not None
    assert not isinstance(pending, Response)
    gateway.drain()
    assert done(pending).keep_alive


def test_pending_response_after_a_drain_has_begun_closes_the_connection(gateway: Gateway) -> None:
    gateway.drain()
    assert gateway.respond(LISTING) is None
    assert not done(gateway.respond_to(LISTING, gateway.parse(LISTING))).keep_alive


def test_pending_response_with_an_error_is_not_cached(gateway: Gateway) -> None:
    """It may be true of the second in which it was begun only."""
    data = head('If-Match: "other"', target="/")
    pending = gateway.respond(data)
    assert pending is not None
    assert not isinstance(pending, Response)
    gateway.begin_second(2)
    assert done(pending).status == 412
    assert gateway.recall(data) is None
