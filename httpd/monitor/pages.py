"""What the monitor shows, by path."""

from __future__ import annotations

import json
from collections.abc import Mapping

from httpd.monitor.events import Events
from httpd.monitor.figures import all_metrics
from httpd.monitor.gateway import Make, Stream, text_builder
from httpd.monitor.metrics import OPEN_TYPE, TEXT_TYPE, render
from httpd.monitor.page import render_page
from httpd.monitor.page_parts import POLICY_LINE
from httpd.monitor.snapshot import Snapshots
from httpd.monitor.state import ServerState
from httpd.protocol.media_ranges import prefers
from httpd.protocol.messages import HTTPError, Request
from httpd.site.builder import ResponseBuilder

_JSON = "application/json"
_STARTING, _SOON = "The monitor is just starting.", (("Retry-After", "1"),)
_HTML = "text/html; charset=utf-8"
_EVENTS = text_builder("", "text/event-stream")._replace(segments=None)


def make_pages(state: ServerState, snapshots: Snapshots, events: Events) -> Mapping[bytes, Make]:
    """Return what makes each response, by path.

    Args:
        state: of the server.
        snapshots: of the server.
        events: for those who follow it.
    """
    return {
        b"/": lambda _: text_builder(render_page(snapshots.latest), _HTML, more=POLICY_LINE),
        b"/events": lambda _: Stream(_EVENTS, events.stream),
        b"/livez": lambda _: _show_liveness(state),
        b"/readyz": lambda _: _show_readiness(state),
        b"/status.json": lambda _: _show_status(state, snapshots),
        b"/metrics": lambda request: _show_metrics(state, request),
    }


def _show_liveness(state: ServerState) -> ResponseBuilder:
    stuck = state.stuck_loops()
    if not stuck:
        return text_builder("live\n")
    return text_builder(f"stuck\nloops that do not turn: {stuck}\n", status=503)


def _show_readiness(state: ServerState) -> ResponseBuilder:
    readiness = state.readiness()
    lines = [readiness.word, *([readiness.reason] if readiness.reason else ())]
    text = "".join(f"{line}\n" for line in lines)
    return text_builder(text, status=200 if readiness.is_ready else 503)


def _show_metrics(state: ServerState, request: Request) -> ResponseBuilder:
    if state.counters() is None:  # a counter must not fall from one monitor to the next
        raise HTTPError(503, _STARTING, _SOON)
    accept = request.fields.get("accept")
    is_open = prefers(accept, "application/openmetrics-text", "text/plain")
    text = render(all_metrics(state), is_open=is_open)
    return text_builder(text, OPEN_TYPE if is_open else TEXT_TYPE)


def _show_status(state: ServerState, snapshots: Snapshots) -> ResponseBuilder:
    report = state.report()
    if not report:
        raise HTTPError(503, _STARTING, _SOON)
    report |= {name: snapshots.latest.get(name, []) for name in ("downloads", "ended")}
    return text_builder(json.dumps(report, indent=2) + "\n", _JSON)
