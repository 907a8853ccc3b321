"""The figures of a server in the text formats of Prometheus 0.0.4 and of OpenMetrics 1.0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from httpd.observe.counters import BOUNDS, FAMILIES, Counters, Histogram

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPEN_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
DURATIONS = "phttpd_http_request_duration_seconds"
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Sample(NamedTuple):
    """One number.

    Args:
        value: of the number.
        labels: names and values.
        suffix: of the name, for a part of a histogram.
    """

    value: float
    labels: tuple[tuple[str, str], ...] = ()
    suffix: str = ""


class Metric(NamedTuple):
    """A metric with all its samples.

    Args:
        name: of the metric; that of a counter ends in ``_total``.
        kind: ``counter``, ``gauge`` or ``histogram``.
        help: what it is, as a sentence.
        samples: the numbers.
    """

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]


def gauge(name: str, text: str, value: float) -> Metric:
    """Return a metric of one number that goes up and down."""
    return Metric(name, "gauge", text, (Sample(value),))


def metrics_of(counters: Counters) -> Iterator[Metric]:
    """Yield the metrics of all counters."""
    for family in FAMILIES:
        values = counters.values.get(family.name, {})
        if not family.labels and not values:
            values = {(): 0}
        samples = tuple(
            Sample(value, tuple(zip(family.labels, labels, strict=True)))
            for labels, value in sorted(values.items())
        )
        yield Metric(f"phttpd_{family.name}", "counter", family.help, samples)
    if counters.durations:
        yield _histogram(counters.durations)


def _histogram(durations: Mapping[str, Histogram]) -> Metric:
    samples = [
        sample for site, found in sorted(durations.items()) for sample in _buckets(site, found)
    ]
    text = "Seconds from the first byte of a request to the last one of its response."
    return Metric(DURATIONS, "histogram", text, tuple(samples))


def _buckets(site: str, histogram: Histogram) -> Iterator[Sample]:
    count = 0
    label = ("site", site)
    for bound, number in zip((*map(str, BOUNDS), "+Inf"), histogram.buckets, strict=True):
        count += number
        yield Sample(count, (label, ("le", bound)), "_bucket")
    yield Sample(count, (label,), "_count")
    yield Sample(histogram.seconds, (label,), "_sum")


def render(metrics: Iterable[Metric], *, is_open: bool) -> str:
    """Return metrics as text.

    Args:
        metrics: all of them.
        is_open: whether OpenMetrics is wanted.
    """
    lines = [line for metric in metrics for line in _render_one(metric, is_open=is_open)]
    return "\n".join([*lines, "# EOF\n" if is_open else ""])


def _render_one(metric: Metric, *, is_open: bool) -> Iterator[str]:
    name, kind, text, samples = metric
    family = name.removesuffix("_total") if is_open and kind == "counter" else name
    yield f"# HELP {family} {_escape(text)}"
    yield f"# TYPE {family} {kind}"
    for value, labels, suffix in samples:
        pairs = ",".join(f'{key}="{_escape(label)}"' for key, label in labels)
        yield f"{name}{suffix}{f'{{{pairs}}}' if pairs else ''} {_number(value)}"


def _escape(text: str) -> str:
    return text.translate(_ESCAPES)


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
