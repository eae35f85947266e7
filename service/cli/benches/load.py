"""A process full of MLLP senders: ``python -m service.cli.benches.load PORT CONNECTIONS SECONDS LABEL [once]``.

The message comes on stdin. Each sender sends it with a new MSH-10, waits for the answer and sends the next; with
``once`` it opens a connection for each message, for servers that close after one. stdout is one JSON object:
``{"latencies_us": [...]}``, of what was answered after warming up. One epoll loop and no asyncio: the load must
not be what is measured.
"""

import json
import re
import select
import socket
import sys
import time
from collections.abc import Iterator
from typing import Final

WARM_SECONDS: Final = 0.5
_CONTROL_ID: Final = re.compile(rb"\AMSH\|(?:[^|]*\|){8}([^|]*)")
_ACCEPTED: Final = (b"MSA|AA", b"MSA|CA")


def frames(body: bytes, label: str) -> Iterator[bytes]:
    """``body`` in frames, each with an MSH-10 of its own."""
    found = _CONTROL_ID.match(body)
    if found is None:
        raise ValueError("the message has no MSH-10")
    head, tail = b"\x0b" + body[: found.start(1)], body[found.end(1) :] + b"\x1c\r"
    number = 0
    while True:
        yield head + b"%sN%d" % (label.encode(), number) + tail
        number += 1


class Load:
    """``connections`` senders at ``port``, until the time is over."""

    def __init__(self, port: int, connections: int, frames: Iterator[bytes], *, once: bool) -> None:
        self._port = port
        self._frames = frames
        self._once = once
        self._epoll = select.epoll()
        self._senders: dict[int, socket.socket] = {}
        self._sent_at: dict[int, float] = {}
        self._partial: dict[int, bytes] = {}
        self._connections = connections

    def run(self, seconds: float) -> list[int]:
        """Microseconds from sending to the whole answer."""
        latencies: list[int] = []
        started = time.perf_counter()
        for _ in range(self._connections):
            self._send(self._open())
        counted_from, ends = started + WARM_SECONDS, started + WARM_SECONDS + seconds
        now = started
        while now < ends:
            for number, _ in self._epoll.poll(1.0):
                data = self._senders[number].recv(65536)
                if not data:
                    raise SystemExit("load: a connection was closed without an answer")
                if data[-2:] != b"\x1c\r" or number in self._partial:
                    data = self._partial.pop(number, b"") + data
                    if data[-2:] != b"\x1c\r":
                        self._partial[number] = data
                        continue
                if not any(code in data for code in _ACCEPTED):
                    raise SystemExit("load: a message was not accepted")
                now = time.perf_counter()
                if counted_from <= now < ends:
                    latencies.append(round((now - self._sent_at[number]) * 1e6))
                self._send(self._reopen(number) if self._once else number)
            now = time.perf_counter()
        for sender in self._senders.values():
            sender.close()
        return latencies

    def _send(self, number: int) -> None:
        self._sent_at[number] = time.perf_counter()
        self._senders[number].sendall(next(self._frames))

    def _open(self) -> int:
        sender = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._senders[sender.fileno()] = sender
        self._epoll.register(sender.fileno(), select.EPOLLIN)
        return sender.fileno()

    def _reopen(self, number: int) -> int:
        self._epoll.unregister(number)
        sender = self._senders.pop(number)
        # a peer's server closes first and holds the address; a reset frees it, or the ports run out
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        sender.close()
        return self._open()


def main() -> None:
    port, connections, seconds, label, *mode = sys.argv[1:]
    body = sys.stdin.buffer.read()
    load = Load(int(port), int(connections), frames(body, label), once=mode == ["once"])
    sys.stdout.write(json.dumps({"latencies_us": load.run(float(seconds))}))


if __name__ == "__main__":
    main()
