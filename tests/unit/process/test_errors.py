"""Exit statuses: the numbers of sysexits.h, which scripts rely on."""

from __future__ import annotations

import pytest

from httpd.process import errors
from httpd.process.errors import StartError, status_of


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("EX_OK", 0),
        ("EX_NOT_RUNNING", 3),
        ("EX_USAGE", 64),
        ("EX_UNAVAILABLE", 69),
        ("EX_WORKER", 70),
        ("EX_OSERR", 71),
        ("EX_NOPERM", 77),
        ("EX_CONFIG", 78),
    ],
)
def test_exit_statuses_are_those_of_sysexits(name: str, number: int) -> None:
    assert getattr(errors, name) == number


@pytest.mark.parametrize(
    ("error", "status"),
    [(PermissionError(1, "x"), 77), (FileNotFoundError(2, "x"), 71), (OSError(28, "x"), 71)],
)
def test_status_of_a_failed_system_call(error: OSError, status: int) -> None:
    assert status_of(error) == status


def test_start_error_keeps_its_texts() -> None:
    error = StartError(69, "127.0.0.1:80 is taken")
    assert (error.status, error.text) == (69, "127.0.0.1:80 is taken")
    assert "127.0.0.1:80 is taken" in str(error)
