"""The servers that are measured, one a process: ``python -m service.cli.benches.engines NAME FOLDER``.

Prints its port, then serves until stdin ends. ``bound`` is the least that durable intake can do: frame, find
MSH-10, insert by group commit; nothing is sealed, understood or deduplicated. The peers store nothing.
"""

import asyncio
import re
import socketserver
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

_CONTROL_ID: Final = re.compile(rb"^MSH\|(?:[^|]*\|){8}([^|]*)")
Served = AbstractAsyncContextManager[int]


@asynccontextmanager
async def _epikrise(folder: Path) -> AsyncIterator[int]:
    """As `epikrise serve` wires it."""
    from adapters.hl7.mllp_server import MllpLimits, MllpServer
    from adapters.hl7.receiver import MessageReceiver
    from adapters.keys import open_keyring
    from adapters.store import GroupCommit, migrate, open_store, share_interpreter

    url = f"sqlite:///{folder / 'store.db'}"
    migrate(url)
    share_interpreter()
    store = open_store(url, open_keyring(folder))
    async with GroupCommit(store, after_commit=lambda _: None, seal=store.seal) as intake:
        receiver = MessageReceiver(intake.submit)
        listener = MllpServer(
            receiver.receive,
            host="127.0.0.1",
            port=0,
            on_refused=receiver.keep_refused,
            limits=MllpLimits(max_connections=4096),
        )
        await listener.start()
        yield listener.port
        await listener.stop()
    store.close()


@asynccontextmanager
async def _bound(folder: Path) -> AsyncIterator[int]:
    connection = sqlite3.connect(folder / "bound.db", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE messages (control_id TEXT, body BLOB)")
    waiting: list[tuple[bytes, bytes, asyncio.Future[None]]] = []
    arrived = asyncio.Event()

    def commit(group: list[tuple[bytes, bytes, asyncio.Future[None]]]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO messages VALUES (?, ?)", [(key, body) for key, body, _ in group])
        connection.execute("COMMIT")

    async def write() -> None:
        while True:
            await arrived.wait()
            arrived.clear()
            group, waiting[:] = list(waiting), []
            await asyncio.to_thread(commit, group)
            for _, _, told in group:
                told.set_result(None)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                body = (await reader.readuntil(b"\x1c\r"))[1:-2]
                told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                found = _CONTROL_ID.match(body)
                control_id = found[1] if found else b""
                waiting.append((control_id, body, told))
                arrived.set()
                await told
                writer.write(b"\x0bMSH|^~\\&|||||||ACK||P|2.5\rMSA|AA|" + control_id + b"\r\x1c\r")
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()

    committing = asyncio.create_task(write())
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    yield server.sockets[0].getsockname()[1]
    server.close()
    committing.cancel()
    connection.close()


@asynccontextmanager
async def _python_hl7(_: Path) -> AsyncIterator[int]:
    import hl7
    from hl7.mllp import start_hl7_server

    async def serve(reader: Any, writer: Any) -> None:
        try:
            while not writer.is_closing():
                message: hl7.Message = await reader.readmessage()
                writer.writemessage(message.create_ack())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await start_hl7_server(serve, "127.0.0.1", 0, encoding="utf-8")
    yield server.sockets[0].getsockname()[1]
    server.close()


@asynccontextmanager
async def _hl7apy(_: Path, *, parses: bool = False) -> AsyncIterator[int]:
    """Its server calls a handler that answers at once, or parses the message first, as its documentation shows."""
    from hl7apy.mllp import AbstractHandler, MLLPServer
    from hl7apy.parser import parse_message

    class Answer(AbstractHandler):  # type: ignore[misc]
        def reply(self) -> str:
            message: str = self.incoming_message
            if parses:
                parse_message(message, find_groups=False)
            control_id = message.split("|", 10)[9]
            return f"\x0bMSH|^~\\&|||||||ACK||P|2.5\rMSA|AA|{control_id}\r\x1c\r"

    class Quiet(MLLPServer):  # type: ignore[misc]
        request_queue_size = 1024
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that ends with the measurement is no error."""

    server: socketserver.TCPServer = Quiet("127.0.0.1", 0, {"ADT^A03^ADT_A03": (Answer,), "ADT^A03": (Answer,)})
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


ENGINES: Final[dict[str, Callable[[Path], Served]]] = {
    "epikrise": _epikrise,
    "bound": _bound,
    "python-hl7": _python_hl7,
    "hl7apy": _hl7apy,
    "hl7apy-parse": lambda folder: _hl7apy(folder, parses=True),
}
PEERS: Final = ("python-hl7", "hl7apy", "hl7apy-parse")
CLOSE_AFTER_ONE: Final = ("hl7apy", "hl7apy-parse")


async def _serve(name: str, folder: Path) -> None:
    async with ENGINES[name](folder) as port:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    name, folder = sys.argv[1:]
    asyncio.run(_serve(name, Path(folder)))


if __name__ == "__main__":
    main()
