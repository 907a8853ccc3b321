"""Text in HTML, held against the standard library."""

from __future__ import annotations

import html

from hypothesis import given
from hypothesis import strategies as st

from httpd.site.markup import escape


@given(st.text(st.sampled_from("<>&'\"a ;#\udc80é\N{SNOWMAN}")))
def test_escaped_text_is_the_same_as_that_of_the_standard_library(text: str) -> None:
    assert escape(text) == html.escape(text)
