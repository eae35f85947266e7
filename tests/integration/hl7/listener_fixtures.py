"""The listener of these tests, over a migrated SQLite store."""

from collections.abc import Callable, Iterator

import pytest
from mllp_peer import RawPeer, Running, listening
from sqlalchemy import select

from adapters.keys import KeyRing
from adapters.store import SqlStore, open_store
from adapters.store.engine import open_engine, transaction
from adapters.store.tables import messages
from service.model import StoredMessage

Kept = Callable[[], list[StoredMessage]]


@pytest.fixture
def kept_store(sqlite_url: str, keyring: KeyRing) -> Iterator[SqlStore]:
    opened = open_store(sqlite_url, keyring)
    yield opened
    opened.close()


@pytest.fixture
def kept(sqlite_url: str, kept_store: SqlStore) -> Kept:
    """All messages that are on disk now, in the order of their arrival."""

    def look() -> list[StoredMessage]:
        engine = open_engine(sqlite_url)
        with transaction(engine, read_only=True) as connection:
            ids = connection.scalars(select(messages.c.id).order_by(messages.c.id)).all()
        engine.dispose()
        with kept_store.read() as tx:
            return [tx.message(id_) for id_ in ids]

    return look


@pytest.fixture
def listener(kept_store: SqlStore) -> Iterator[Running]:
    with listening(kept_store) as running:
        yield running


@pytest.fixture
def connect(listener: Running) -> Iterator[Callable[[], RawPeer]]:
    opened: list[RawPeer] = []

    def new() -> RawPeer:
        opened.append(RawPeer(listener.address))
        return opened[-1]

    yield new
    for peer in opened:
        peer.close()


@pytest.fixture
def peer(connect: Callable[[], RawPeer]) -> RawPeer:
    return connect()
