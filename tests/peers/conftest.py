"""Fixtures that these tests share. peer_programs comes first: it opens the way to the others' fixtures."""

import peer_programs  # isort: skip  # noqa: F401

from listener_fixtures import connect, kept, kept_store, listener, peer
from medplum_fixtures import ehr, medplum_base
from peer_programs import pytest_collection_modifyitems
from store_fixtures import _migrated_sqlite, keyring, sqlite_url

__all__ = [
    "_migrated_sqlite",
    "connect",
    "ehr",
    "kept",
    "kept_store",
    "keyring",
    "listener",
    "medplum_base",
    "peer",
    "pytest_collection_modifyitems",
    "sqlite_url",
]
