"""kill -9 of a listener in the middle of its work: whatever was acknowledged is on disk."""

import re
import selectors
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from mllp_peer import framed, message
from sqlalchemy import select

from adapters.store.engine import open_engine, transaction
from adapters.store.tables import messages

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SENDERS = 32
ACKNOWLEDGED = re.compile(rb"\rMSA\|AA\|([^\r|]+)\r")


def acknowledged_until_killed(url: str, home: Path, *, mode: str, count: int, run: int) -> set[str]:
    """Control ids that a listener acknowledged: ``count`` and some, then SIGKILL, then what was still on its way."""
    command = [sys.executable, str(HERE / "listening_child.py"), url, str(home), mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        told: set[str] = set()
        sent = 0
        with selectors.DefaultSelector() as selector:
            senders = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(SENDERS)]
            for sender in senders:
                selector.register(sender, selectors.EVENT_READ, sender)
                sender.sendall(framed(message(control_id=f"{run}-{sent}")))
                sent += 1
            while len(told) < count:
                for key, _ in selector.select(10):
                    ready: socket.socket = key.data
                    told.update(found.decode() for found in ACKNOWLEDGED.findall(ready.recv(65536)))
                    ready.sendall(framed(message(control_id=f"{run}-{sent}")))
                    sent += 1
            child.kill()
            for sender in senders:
                told.update(found.decode() for found in ACKNOWLEDGED.findall(rest_of(sender)))
                sender.close()
    return told


def rest_of(sender: socket.socket) -> bytes:
    received = b""
    try:
        while data := sender.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return received


def stored(url: str) -> set[str]:
    engine = open_engine(url)
    with transaction(engine, read_only=True) as connection:
        found = set(connection.scalars(select(messages.c.control_id)))
    engine.dispose()
    return found


def lost(url: str, home: Path, *, mode: str, kills: int, count: int) -> tuple[int, int]:
    """(lost, acknowledged) over so many kills."""
    told: set[str] = set()
    for run in range(kills):
        told |= acknowledged_until_killed(url, home, mode=mode, count=count, run=run)
    return len(told - stored(url)), len(told)


def test_nothing_acknowledged_is_lost_when_the_listener_is_killed(sqlite_url: str, tmp_path: Path) -> None:
    missing, told = lost(sqlite_url, tmp_path / "home", mode="honest", kills=1, count=500)
    assert (missing, told >= 500) == (0, True)


def test_the_same_kill_exposes_a_listener_that_acknowledges_before_the_commit(sqlite_url: str, tmp_path: Path) -> None:
    """The positive control: without it the tests beside it might be blind."""
    missing, _ = lost(sqlite_url, tmp_path / "home", mode="early", kills=1, count=300)
    assert missing > 0


@pytest.mark.slow
def test_of_twenty_thousand_acknowledgements_over_twenty_kills_none_is_lost(store_url: str, tmp_path: Path) -> None:
    missing, told = lost(store_url, tmp_path / "home", mode="honest", kills=20, count=1000)
    assert (missing, told >= 20_000) == (0, True)
