"""A benchmark leaves no process behind either."""

from tests.process.conftest import no_process_left

__all__ = ["no_process_left"]
