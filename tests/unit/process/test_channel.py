"""The channel between two processes: whole messages, descriptors, and the end."""

from __future__ import annotations

import os
import select
import socket
from array import array
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from httpd.process.channel import MOST_FDS, Channel, Message, close_all, read_failure
from tests.unit.guard import must_end, open_descriptors, opened_since

SENT = [message for message in Message if message not in (Message.NOTHING, Message.NONSENSE)]


@pytest.fixture
def pair() -> Iterator[tuple[Channel, Channel]]:
    ends = Channel.pair()
    yield ends
    for end in ends:
        end.close()


@pytest.mark.parametrize("message", SENT)
@pytest.mark.parametrize("text", ["", "text", "70 two words: ü", "a\nb", " leading", "\udcff"])
def test_message_of_each_kind_is_received(
    pair: tuple[Channel, Channel], message: Message, text: str
) -> None:
    ours, theirs = pair
    for sender, receiver in ((ours, theirs), (theirs, ours)):
        sender.send(message, text)
        received = receiver.receive()
        assert received is not None
        assert received[0] is message
        assert received[1] == text.replace("\udcff", r"\udcff")
        assert received[2] == ()


def test_messages_stay_apart_and_in_order(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    for number in range(20):
        ours.send(Message.FAILED, str(number))
    seen = [theirs.receive() for _ in range(20)]
    assert seen == [(Message.FAILED, str(number), ()) for number in range(20)]


@pytest.mark.parametrize("char", ["x", "ü", "𝄞"])
def test_long_text_is_cut_and_still_one_message(pair: tuple[Channel, Channel], char: str) -> None:
    ours, theirs = pair
    ours.send(Message.FAILED, "70 " + char * 10_000)
    ours.send(Message.STOP)
    received = theirs.receive()
    assert received is not None
    assert received[0] is Message.FAILED
    assert received[1].startswith("70 " + char * 500)
    assert theirs.receive() == (Message.STOP, "", ())


@pytest.mark.parametrize("count", [1, 2, MOST_FDS])
def test_descriptors_are_received_with_a_message(pair: tuple[Channel, Channel], count: int) -> None:
    ours, theirs = pair
    read_fd, write_fd = os.pipe()
    before = open_descriptors()
    ours.send(Message.LOG, fds=[write_fd] * count)
    received = theirs.receive()
    assert received is not None
    message, _, fds = received
    assert message is Message.LOG
    assert len({*fds, write_fd}) == count + 1
    for fd in fds:
        os.write(fd, b"through")
        assert os.read(read_fd, 100) == b"through"
    close_all(fds)
    assert opened_since(before) == []
    for end in (read_fd, write_fd):
        os.close(end)


def test_end_of_the_other_side_is_received(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    ours.send(Message.DRAIN)
    ours.close()
    assert theirs.receive() == (Message.DRAIN, "", ()), "what was said before is still heard"
    assert theirs.receive() is None
    assert theirs.receive() is None
    with must_end():
        theirs.send(Message.READY)  # without a reader


@pytest.mark.parametrize("end", ["exit", "kill"])
def test_end_of_the_other_process_is_received(pair: tuple[Channel, Channel], end: str) -> None:
    ours, theirs = pair
    pid = os.fork()
    if pid == 0:
        ours.close()
        theirs.send(Message.READY)
        if end == "kill":
            os.kill(os.getpid(), 9)
        os._exit(0)
    theirs.close()
    assert select.select([ours], [], [], 10)[0]
    assert ours.receive() == (Message.READY, "", ())
    assert select.select([ours], [], [], 10)[0]
    assert ours.receive() is None
    os.waitpid(pid, 0)


def test_message_of_a_side_that_left_others_unread_is_received(
    pair: tuple[Channel, Channel],
) -> None:
    ours, theirs = pair
    ours.send(Message.MODES)
    theirs.send(Message.FAILED, "70 why")
    theirs.close()
    assert ours.receive() == (Message.FAILED, "70 why", ())
    assert ours.receive() is None


def test_channel_can_be_polled(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    poll = select.poll()
    poll.register(theirs, select.POLLIN)
    assert poll.poll(0) == []
    ours.send(Message.STOP)
    assert poll.poll(10_000)
    assert theirs.receive() == (Message.STOP, "", ())
    assert poll.poll(0) == []
    ours.close()
    assert poll.poll(10_000)


def test_channel_is_closed_and_not_inherited() -> None:
    before = open_descriptors()
    ours, theirs = Channel.pair()
    assert not os.get_inheritable(ours.fileno())
    assert not os.get_inheritable(theirs.fileno())
    ours.close()
    theirs.close()
    assert opened_since(before) == []


def test_send_to_a_full_channel_does_not_wait(pair: tuple[Channel, Channel]) -> None:
    """A stopped or stuck worker reads nothing, and the supervisor must go on."""
    ours, _ = pair
    with must_end():
        for _ in range(5000):
            ours.send(Message.DRAIN)


def test_channel_is_a_socket_that_keeps_messages_whole(pair: tuple[Channel, Channel]) -> None:
    ours, _ = pair
    kind = socket.socket(fileno=os.dup(ours.fileno()))
    with kind:
        assert kind.type == socket.SOCK_SEQPACKET


@given(data=st.binary(max_size=6000), descriptors=st.integers(0, 3))
@example(data=b"", descriptors=1)
@example(data=b" ready", descriptors=0)
def test_channel_receives_any_bytes(data: bytes, descriptors: int) -> None:
    """From a process that an attacker may control."""
    ours, theirs = Channel.pair()
    before = open_descriptors()
    raw = socket.socket(fileno=os.dup(theirs.fileno()))
    rights = array("i", [theirs.fileno()] * descriptors)
    with raw:
        raw.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if rights else [])
    received = ours.receive()
    if received is None:
        assert data == b""
    else:
        message, text, fds = received
        assert message is Message.NONSENSE or data.startswith(message.encode())
        assert isinstance(text, str)
        assert len(fds) == min(descriptors, MOST_FDS)
        close_all(fds)
    assert opened_since(before) == []
    ours.close()
    theirs.close()


def test_receive_without_a_message_does_not_wait(pair: tuple[Channel, Channel]) -> None:
    ours, theirs = pair
    with must_end():
        assert ours.receive() == (Message.NOTHING, "", ())
    assert not ours.has_ended()
    theirs.send(Message.READY)
    assert not ours.has_ended()
    ours.receive()
    theirs.close()
    assert ours.has_ended()


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("77 Permission denied: /srv", (77, "Permission denied: /srv")),
        ("77 two\nlines", (77, "two\nlines")),
        ("255 x", (255, "x")),
        ("256 x", (70, "256 x")),
        ("0 x", (70, "0 x")),
        ("٣ x", (70, "٣ x")),
        ("x", (70, "x")),
        ("", (70, "")),
    ],
)
def test_failure_has_status_and_reason(text: str, failure: tuple[int, str]) -> None:
    assert read_failure(text) == failure


@given(text=st.text())
def test_failure_of_any_text_is_read(text: str) -> None:
    status, _ = read_failure(text)
    assert 1 <= status <= 255
