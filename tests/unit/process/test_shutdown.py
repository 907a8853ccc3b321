"""Asking systemd whether the machine shuts down: what it may say, and that it may say nothing."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from httpd.process import shutdown
from tests.process import proc


@pytest.fixture
def booted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that systemd runs, with an empty directory for commands."""
    monkeypatch.setattr(shutdown, "BOOTED", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def put_systemctl(directory: Path, script: str) -> None:
    command = directory / "systemctl"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)


@pytest.mark.parametrize(
    ("said", "stops"),
    [
        ("stopping", True),
        ("running", False),
        ("degraded", False),
        ("starting", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_machine_shuts_down_if_systemd_says_stopping(booted: Path, said: str, stops: bool) -> None:
    put_systemctl(booted, f'test "$1" = is-system-running && echo {said}\nexit 1')
    descriptors = os.listdir("/proc/self/fd")
    assert shutdown.machine_shuts_down() is stops
    assert os.listdir("/proc/self/fd") == descriptors


def test_machine_without_systemctl_does_not_shut_down(booted: Path) -> None:
    descriptors = os.listdir("/proc/self/fd")
    assert shutdown.machine_shuts_down() is False
    assert os.listdir("/proc/self/fd") == descriptors


def test_machine_is_not_asked_without_descriptors(booted: Path) -> None:
    put_systemctl(booted, "echo stopping")
    descriptors = os.listdir("/proc/self/fd")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        assert shutdown.machine_shuts_down() is False
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert os.listdir("/proc/self/fd") == descriptors


def test_machine_without_systemd_is_not_asked(
    booted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_systemctl(booted, "echo stopping")
    monkeypatch.setattr(shutdown, "BOOTED", str(booted / "missing"))
    assert shutdown.machine_shuts_down() is False


def test_machine_that_does_not_answer_does_not_shut_down(
    booted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_systemctl(booted, "exec /bin/sleep 3600")
    monkeypatch.setattr(shutdown, "MOST_SECONDS", 0.05)
    before = proc.children(os.getpid())
    assert shutdown.machine_shuts_down() is False
    assert proc.children(os.getpid()) == before  # it was killed and reaped
