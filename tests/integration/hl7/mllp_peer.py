"""A listener over a real store, and peers that speak to it over real sockets."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from adapters.hl7.mllp_server import MllpLimits, MllpServer
from adapters.hl7.receiver import MessageReceiver
from adapters.store import GroupCommit
from service.ports import Store

QUICK = MllpLimits(idle=30.0, quiet=0.1, write=5.0, drain=1.0, stop=1.0)
FRAMING = (b"\x0b", b"\x1c\r")


@dataclass(frozen=True, kw_only=True)
class Running:
    """A listener on its own thread and event loop."""

    server: MllpServer
    loop: asyncio.AbstractEventLoop

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.server.port

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.server.stop(), self.loop).result(20)


@contextmanager
def listening(
    store: Store,
    *,
    limits: MllpLimits = QUICK,
    tls: ssl.SSLContext | Callable[[], ssl.SSLContext] | None = None,
    allow: Sequence[str] = (),
    senders: Sequence[str] = (),
) -> Iterator[Running]:
    """Yields once the port is open; leaving stops the listener and then the intake."""
    started: list[Running] = []
    ready, done = threading.Event(), asyncio.Event()

    async def run() -> None:
        async with GroupCommit(store) as intake:
            receiver = MessageReceiver(intake.submit, senders=senders)
            server = MllpServer(
                receiver.receive,
                host="127.0.0.1",
                port=0,
                on_refused=receiver.keep_refused,
                ssl_context=tls,
                limits=limits,
                allow=allow,
            )
            await server.start()
            started.append(Running(server=server, loop=asyncio.get_running_loop()))
            ready.set()
            await done.wait()
            await server.stop()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(20), "the listener did not start"
    try:
        yield started[0]
    finally:
        started[0].loop.call_soon_threadsafe(done.set)
        thread.join(20)
        assert not thread.is_alive(), "the listener did not stop"


class RawPeer:
    """A plain socket that knows nothing but MLLP's framing bytes."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=10)
        self._received = b""

    def close(self) -> None:
        self._socket.close()

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def end(self) -> None:
        """Nothing more will be written; the answers can still be read."""
        self._socket.shutdown(socket.SHUT_WR)

    def raw_answer(self) -> bytes:
        """The next answer without its frame."""
        while FRAMING[1] not in self._received:
            data = self._socket.recv(65536)
            assert data, f"closed after {len(self._received)} bytes"
            self._received += data
        body, _, self._received = self._received.partition(FRAMING[1])
        assert body.startswith(FRAMING[0])
        return body.removeprefix(FRAMING[0])

    def answer(self) -> dict[str, list[str]]:
        """The next answer: fields by segment name, counted from the segment's name as 0."""
        segments = self.raw_answer().decode().rstrip("\r").split("\r")
        return {segment[:3]: segment.split("|") for segment in segments}

    def ask(self, body: bytes) -> dict[str, list[str]]:
        self.write(framed(body))
        return self.answer()

    def is_silent(self, seconds: float = 0.3) -> bool:
        """Whether nothing arrives for so long, not even the end of the connection."""
        self._socket.settimeout(seconds)
        try:
            self._received += self._socket.recv(1)
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(10)
        return False

    def is_closed(self) -> bool:
        """Reads to the end; a reset is an end too."""
        try:
            return self._socket.recv(65536) == b""
        except ConnectionResetError:
            return True


def framed(body: bytes) -> bytes:
    return FRAMING[0] + body + FRAMING[1]


def message(
    kind: str = "ADT^A03",
    *,
    control_id: str = "M1",
    accept: str = "",
    application: str = "",
    charset: str = "",
    version: str = "2.5",
    processing: str = "P",
    family: str = "Beispiel",
    encoding: str = "utf-8",
    segments: tuple[str, ...] = (),
) -> bytes:
    """One message of visit F1 of patient P1, segments ended by CR."""
    header = f"MSH|^~\\&|KIS|KH|EPI|STR|20260312093000||{kind}|{control_id}|{processing}|{version}"
    header += f"|||{accept}|{application}||{charset}"
    lines = [
        header,
        f"EVN|{kind[-3:]}|20260312093000" if kind.startswith("ADT") else "ORC|RE",
        f"PID|1||P1^^^KIS^MR||{family}^Berta||19610504|F",
        "PV1|1|I|ST1||||||||||||||||F1^^^KIS^VN|||||||||||||||||||||||||20260301080000|20260312093000",
        *segments,
    ]
    return "".join(f"{line}\r" for line in lines).encode(encoding)
