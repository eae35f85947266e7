"""A listener over a store, until the test kills it: ``python listening_child.py URL HOME honest|early``.

Prints its port. ``early`` answers before the commit, the positive control; both stores are a little slow to commit,
as a busy disk is, so that the difference shows.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.hl7.mllp_server import MllpServer
from adapters.hl7.receiver import MessageReceiver
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
            time.sleep(0.01)

    def check(self) -> None:
        self._store.check()


async def main(url: str, home: Path, mode: str) -> None:
    store = open_store(url, open_keyring(home))
    async with GroupCommit(SlowToCommit(store), seal=store.seal) as intake:

        def early(message: NewMessage, told: Callable[[object], None]) -> None:
            told(None)
            intake.submit(message, lambda _: None)

        receiver = MessageReceiver(early if mode == "early" else intake.submit)
        server = MllpServer(receiver.receive, host="127.0.0.1", port=0, on_refused=receiver.keep_refused)
        await server.start()
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
