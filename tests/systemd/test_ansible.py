"""The playbook makes a machine serve, and does nothing to one that does already."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support import require
from tests.support.raw import Client
from tests.systemd.machine import Machine
from tests.systemd.service import CONFIG, ROOT, Service

pytestmark = pytest.mark.debian("ansible-core", "python3-apt")

PLAYBOOK = "/root/phttpd/etc/ansible/playbook.yaml"
SECONDS = 120


@pytest.fixture
def lab(machines: None, package: Path) -> Iterator[Machine]:
    """A machine that manages itself with Ansible, without phttpd."""
    require.command("ansible-playbook", "ansible-core")
    require.packages("python3-apt")
    with Machine.booted() as machine:
        shutil.copytree(ROOT / "etc/ansible", machine.path("/root/phttpd/etc/ansible"))
        machine.path("/root/phttpd/dist").mkdir()
        shutil.copy(package, machine.path("/root/phttpd/dist"))
        machine.path("/root/hosts").write_text("[lab]\n127.0.0.1 ansible_connection=local\n")
        yield machine


class Recap(NamedTuple):
    """What the last line of a run says, and all the lines before."""

    changed: int
    failed: int
    output: str


def play(machine: Machine, *options: str, **variables: Any) -> Recap:
    machine.path("/root/variables.json").write_text(json.dumps(variables))
    output = machine.run(
        *(
            "env",
            "HOME=/root",
            "LC_ALL=C.UTF-8",
            "ANSIBLE_PIPELINING=1",
            "ansible-playbook",
            "--inventory=/root/hosts",
        ),
        *("--extra-vars=@/root/variables.json", *options, PLAYBOOK),
        check=False,
        timeout=SECONDS,
    )
    recap = re.search(r"127\.0\.0\.1 .* changed=(\d+) .* failed=(\d+) ", output)
    assert recap, output
    return Recap(int(recap[1]), int(recap[2]), output)


def test_playbook_installs_changes_and_leaves_alone(lab: Machine) -> None:
    service = Service(lab)
    check = play(lab, "--check")
    assert check.failed == 0, check.output
    assert not lab.path("/usr/bin/phttpd").exists()
    assert not lab.path("/var/cache/phttpd.deb").exists()

    first = play(lab)
    assert first.failed == 0, first.output
    assert first.changed > 0
    with lab.network():
        assert b"phttpd serves" in service.fetch().body
    assert play(lab).changed == 0
    assert play(lab, "--check")[:2] == (0, 0)
    to_sockets = play(lab, "--check", phttpd_socket=True, phttpd_listen=[8084])
    assert to_sockets.failed == 0, to_sockets.output

    config = {"port": 8083, "docroot": "/srv/phttpd", "pidfile": "/run/phttpd/phttpd.pid"}
    pid, before = service.pid, lab.path(CONFIG).read_text()
    assert play(lab, "--check", phttpd_config=config)[:2] == (2, 0)
    assert (service.pid, lab.path(CONFIG).read_text()) == (pid, before)
    assert play(lab, phttpd_config=config).changed == 2  # the file, and the reload
    assert service.pid == pid
    with lab.network(), Client(8083) as client:
        assert client.ask("/").status == 200

    before = lab.path(CONFIG).read_text()
    assert play(lab, phttpd_config={**config, "threads": "many"}).failed == 1
    assert lab.path(CONFIG).read_text() == before
    assert service.show("ActiveState") == "active"


def test_playbook_turns_to_sockets_of_systemd_and_back(lab: Machine) -> None:
    service = Service(lab)
    sockets = {"phttpd_socket": True, "phttpd_listen": [8084, 80]}
    assert play(lab, **sockets).failed == 0
    assert play(lab, **sockets).changed == 0
    with lab.network(), Client(8084) as client:
        assert client.ask("/").status == 200
        assert service.fetch().status == 200
    assert service.show("PrivateNetwork") == "yes"
    assert play(lab).failed == 0
    assert service.show("PrivateNetwork") == "no"
    assert lab.status("systemctl", "is-active", "phttpd.socket") != 0
