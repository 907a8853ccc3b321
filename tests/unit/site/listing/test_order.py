"""The order of the entries."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from httpd.site.listing.order import Order, parse_order
from tests.unit.site.directories import write
from tests.unit.site.listing.pages import (
    KEYS,
    MANY,
    ORDERS,
    Found,
    Page,
    by_name,
    read_html,
    read_json,
    render,
)


@pytest.mark.parametrize(
    ("query", "order"),
    [
        (b"", Order("name", False)),
        (b"?", Order("name", False)),
        (b"?sort=name", Order("name", False)),
        (b"?sort=size", Order("size", False)),
        (b"?sort=modified&order=asc", Order("modified", False)),
        (b"?sort=size&order=desc", Order("size", True)),
        (b"?order=desc&sort=modified", Order("modified", True)),
        (b"?order=desc", Order("name", True)),
        (b"?from=mail&sort=size&order=desc", Order("size", True)),
        (b"?sort=colour&order=desc", Order()),
        (b"?sort=size&order=up", Order()),
        (b"?sort=size&order", Order()),
        (b"?sort=SIZE", Order()),
        (b"?sort=%ff", Order()),
        (b"?&&==&=&sort", Order()),
    ],
)
def test_the_order_of_a_query(query: bytes, order: Order) -> None:
    assert parse_order(query) == order


@given(st.binary())
def test_any_query_has_an_order(query: bytes) -> None:
    assert parse_order(b"?" + query) in ORDERS


@pytest.mark.parametrize("order", ORDERS)
def test_many_entries_are_in_order(many: Path, order: Order) -> None:
    def rank(entry: Found) -> tuple[object, ...]:
        key = {"name": 0, "size": entry.size, "modified": entry.modified}[order.key]
        return entry.is_directory is order.descending, key, *by_name(entry.name)

    for found in (
        read_html(render(many, b"/", order)),
        read_json(render(many, b"/", order, as_json=True)),
    ):
        assert len({entry.name for entry in found}) == len(found) == MANY + 3
        assert [entry.is_directory for entry in found[:4]] == [True, True, True, False]
        if order.key == "modified":
            del found[:3]  # the directories were made just now, in whatever second
        assert found == sorted(found, key=rank, reverse=order.descending)


@pytest.mark.parametrize("order", ORDERS)
def test_the_heads_of_the_columns_sort(tmp_path: Path, order: Order) -> None:
    write(tmp_path / "a")
    text = render(tmp_path, b"/", order)
    page = Page(text)
    assert [parse_order(link.encode()).key for link in page.links] == KEYS
    position = KEYS.index(order.key)
    assert page.sorts == {str(position): "descending" if order.descending else "ascending"}
    for link in page.links:
        assert parse_order(link.encode()) != order
    assert parse_order(page.links[position].encode()).descending is not order.descending
