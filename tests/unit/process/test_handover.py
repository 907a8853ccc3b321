"""What becomes of a generation whose listeners others take the place of."""

from __future__ import annotations

import socket
import time
from typing import Any, cast

from httpd.observe.scoreboard import Scoreboard
from httpd.process.generation import Generation, Plan
from httpd.process.handover import HandOver


class Sockets:
    """As much of a plan as there has to be."""

    def __init__(self, *listeners: socket.socket) -> None:
        self.listeners = listeners


def test_generation_whose_sockets_are_closed_gets_no_new_worker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        old = cast(Plan, cast(Any, Sockets(listener)))
        generation = Generation(old, Scoreboard.create(1, 1, 1))
        generation.vacancies[0] = time.monotonic() + 1, 3
        hand_over = HandOver()
        hand_over.begin(generation, cast(Plan, cast(Any, Sockets())))
        assert listener.fileno() == -1
        assert generation.deadlines() == []
        assert hand_over.end() is generation
