"""A journey on a real SQLite store, for the tests of this folder."""

from collections.abc import Iterator

import pytest
from journey_world import Journey
from store_fixtures import Clock

from adapters.keys import KeyRing
from adapters.store import open_store


@pytest.fixture
def journey(sqlite_url: str, keyring: KeyRing, clock: Clock) -> Iterator[Journey]:
    store = open_store(sqlite_url, keyring, clock=clock)
    yield Journey(store=store, clock=clock)
    store.close()
