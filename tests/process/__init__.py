"""phttpd as a process: starting, stopping, signals, files, limits, always with the real thing."""

import pytest

pytest.register_assert_rewrite("tests.process.events", "tests.process.launch")
