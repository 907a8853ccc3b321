"""The servers of the corpus: one for every recv size, all over the same site."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.corpus import site
from tests.corpus.replay import RECV_SIZES
from tests.support.server import Server, serve

SEED = os.environ.get("PHTTPD_TESTS_SEED") or str(random.SystemRandom().randrange(10**6))


@pytest.fixture
def seed() -> str:
    """Decides where requests are cut; a failing test shows it, PHTTPD_TESTS_SEED sets it."""
    print(f"PHTTPD_TESTS_SEED={SEED}")
    return SEED


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Server]]:
    """A server for every recv size, of one loop each, so that what it remembers is used again."""
    docroot = site.build(tmp_path_factory.mktemp("corpus"))
    with ExitStack() as stack:
        yield {
            size: stack.enter_context(
                serve(docroot, "--recv", str(size), "--workers", "1", "--threads", "1")
            )
            for size in RECV_SIZES
        }
