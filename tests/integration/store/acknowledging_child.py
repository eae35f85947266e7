"""Keeps messages for ever and prints the control id of each one acknowledged; the test kills it.

``honest`` acknowledges when ``keep`` returns. ``early`` acknowledges before: the positive control. The store
of both is slow to commit, as a busy disk is, so that the difference shows.
"""

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.keys import open_keyring
from adapters.store import GroupCommit, SqlStore, open_store
from service.model import NewMessage
from service.ports import Transaction


class SlowToCommit:
    def __init__(self, store: SqlStore) -> None:
        self._store = store

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        with self._store.begin() as transaction:
            yield transaction
            time.sleep(0.05)

    def check(self) -> None:
        self._store.check()


def acknowledge(control_id: str) -> None:
    os.write(1, f"{control_id}\n".encode())


async def send(intake: GroupCommit, peer: int, *, early: bool) -> None:
    for number in range(1_000_000):
        control_id = f"{peer}-{number}"
        if early:
            acknowledge(control_id)
        await intake.keep(NewMessage("mllp", "KIS", control_id, control_id.encode(), "AA"))
        if not early:
            acknowledge(control_id)


async def main(url: str, home: Path, mode: str) -> None:
    store = SlowToCommit(open_store(url, open_keyring(home)))
    async with GroupCommit(store) as intake:
        await asyncio.gather(*(send(intake, peer, early=mode == "early") for peer in range(8)))


asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
