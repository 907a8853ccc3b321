"""A sequential HTTP server, which phttpd is compared with: one process, one client at a time.

It answers a request with a whole file, closes the connection, and only then accepts the next
client; the others wait in the listen queue, whose length is Python's default.

    python -m benchmarks.siege.sequential --base DIR [--host ADDR] [--port N]
"""

from __future__ import annotations

import argparse
import mimetypes
import socket
from contextlib import suppress
from pathlib import Path

RECV = 65536

HEAD_LIMIT = 65536


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--base", type=Path, required=True, metavar="DIR")
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDR")
    parser.add_argument("--port", type=int, default=8080, metavar="N")
    args = parser.parse_args()
    base = args.base.resolve()
    with socket.create_server((args.host, args.port)) as listener:
        while True:
            client, _ = listener.accept()
            # A client that leaves early, or a file that cannot be read, is no reason to stop.
            with client, suppress(OSError):
                response(client, base)


def response(client: socket.socket, base: Path) -> None:
    """Read one request and answer it."""
    head = b""
    while b"\r\n\r\n" not in head:
        received = client.recv(RECV)
        if not received or len(head) > HEAD_LIMIT:
            return
        head += received
    words = head.partition(b"\r\n")[0].split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        send_page(client, "400 Bad Request")
    elif words[0] not in (b"GET", b"HEAD"):
        send_page(client, "501 Not Implemented")
    elif (path := find(base, words[1])) is None:
        send_page(client, "404 Not Found")
    else:
        send_file(client, path, with_body=words[0] == b"GET")


def find(base: Path, target: bytes) -> Path | None:
    """Return the file below the directory `base` that a target asks for, if there is one."""
    first, *rest = target.partition(b"?")[0].split(b"%")
    try:
        name = first + b"".join(bytes([int(part[:2], 16)]) + part[2:] for part in rest)
        path = base.joinpath(name.decode().lstrip("/")).resolve()
    except ValueError:  # a malformed escape, a NUL
        return None
    if name.endswith(b"/"):
        path /= "index.html"
    return path if path.is_file() and path.is_relative_to(base) else None


def send_file(client: socket.socket, path: Path, *, with_body: bool) -> None:
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    with path.open("rb") as file:
        client.sendall(head_of("200 OK", media_type, path.stat().st_size))
        while with_body and (piece := file.read(RECV)):
            client.sendall(piece)


def send_page(client: socket.socket, status: str) -> None:
    page = f"<!doctype html><title>{status}</title><h1>{status}</h1>\n".encode()
    client.sendall(head_of(status, "text/html", len(page)) + page)


def head_of(status: str, media_type: str, length: int) -> bytes:
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {media_type}",
        f"Content-Length: {length}",
        "Connection: close",
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


if __name__ == "__main__":
    main()
