"""``ingest``: messages durably stored and acknowledged a second, over real sockets.

Beside python-hl7's server, which stores nothing, and beside the bound: a bare asyncio server that frames,
finds MSH-10 and commits to SQLite in groups, sealed by nobody and understood by nobody.
"""

import asyncio
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import hl7
from hl7.mllp import start_hl7_server

from adapters.hl7.mllp_server import MllpServer
from adapters.hl7.receiver import MessageReceiver
from adapters.keys import open_keyring
from adapters.store import GroupCommit, migrate, open_store
from workers.training.synthetic import generate_case

_LOADS = (1, 16, 64)
_SECONDS = 3.0
_WARM = 0.3
_CONTROL_ID = re.compile(rb"^MSH\|(?:[^|]*\|){8}([^|]*)")
Row = dict[str, Any]
Server = Callable[[Path], AbstractAsyncContextManager[int]]


def measure(folder: Path) -> list[Row]:
    """Each engine at each load for some seconds, one after the other, client and server on the same cores."""
    rows: list[Row] = []
    for load in _LOADS:
        for name, server in (("epikrise", _epikrise), ("bound", _bound), ("python-hl7", _python_hl7)):
            place = folder / f"{name}-{load}"
            place.mkdir()
            rate = asyncio.run(_drive(server, place, load))
            rows.append(
                {"engine": name, "load": load, "metric": "messages_per_second", "value": round(rate, 1), "unit": "1/s"}
            )
    return rows


async def _drive(server: Server, folder: Path, connections: int) -> float:
    body = generate_case(1, lang="de").messages[-1]
    async with server(folder) as port:
        stop_at = time.perf_counter() + _WARM + _SECONDS
        counts = await asyncio.gather(*(_client(port, body, number, stop_at) for number in range(connections)))
    if not sum(counts):
        raise SystemExit(f"bench: no message was answered within {_SECONDS:g} s; let the machine do nothing else")
    return sum(counts) / _SECONDS


async def _client(port: int, body: bytes, number: int, stop_at: float) -> int:
    """Sends with a new MSH-10 each time and waits for its ACK; counts those after warming up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    control_id = _control_id(body)
    sent = counted = 0
    while (now := time.perf_counter()) < stop_at:
        fresh = body.replace(b"|" + control_id + b"|", b"|B%dN%d|" % (number, sent), 1)
        writer.write(b"\x0b" + fresh + b"\x1c\r")
        answer = await reader.readuntil(b"\x1c\r")
        if b"MSA|AA" not in answer:
            raise RuntimeError("a message was not accepted")
        sent += 1
        counted += now >= stop_at - _SECONDS
    writer.close()
    return counted


def _control_id(body: bytes) -> bytes:
    found = _CONTROL_ID.match(body)
    return found[1] if found else b""


@asynccontextmanager
async def _epikrise(folder: Path) -> AsyncIterator[int]:
    url = f"sqlite:///{folder / 'store.db'}"
    migrate(url)
    store = open_store(url, open_keyring(folder))
    async with GroupCommit(store) as intake:
        receiver = MessageReceiver(intake.keep)
        listener = MllpServer(receiver.receive, host="127.0.0.1", port=0, on_refused=receiver.keep_refused)
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
                waiting.append((_control_id(body), body, told))
                arrived.set()
                await told
                writer.write(b"\x0bMSH|^~\\&|||||||ACK||P|2.5\rMSA|AA|" + _control_id(body) + b"\r\x1c\r")
        except asyncio.IncompleteReadError:
            writer.close()

    committing = asyncio.create_task(write())
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    committing.cancel()
    connection.close()


@asynccontextmanager
async def _python_hl7(_: Path) -> AsyncIterator[int]:
    async def serve(reader: Any, writer: Any) -> None:
        try:
            while not writer.is_closing():
                message: hl7.Message = await reader.readmessage()
                writer.writemessage(message.create_ack())
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    server = await start_hl7_server(serve, "127.0.0.1", 0, encoding="utf-8")
    yield server.sockets[0].getsockname()[1]
    server.close()
