"""What every part of a transaction needs: the connection, the keys, the time."""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Insert, Select, Table
from sqlalchemy.dialects import postgresql, sqlite

from adapters.keys import KeyRing

Clock = Callable[[], datetime]


def utcnow() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """One open transaction. ``now`` is read once: what is written together bears one time."""

    connection: Connection
    keyring: KeyRing
    now: datetime
    read_only: bool = False

    def locked(self, query: Select[Any]) -> Select[Any]:
        """The rows stay ours until the end. SQLite needs nothing: its writers come one at a time."""
        return query if self.read_only else query.with_for_update()

    def insert_new(self, table: Table, values: Mapping[str, Any]) -> bool:
        """Insert unless a unique index objects. An error would end PostgreSQL's whole transaction."""
        dialect = postgresql if self.connection.dialect.name == "postgresql" else sqlite
        statement: Insert = dialect.insert(table).on_conflict_do_nothing()
        return self.connection.execute(statement, dict(values)).rowcount == 1

    def put(self, table: Table, values: Mapping[str, Any]) -> None:
        """Insert, or replace what is no part of the primary key."""
        dialect = postgresql if self.connection.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(table)
        keys = [column.name for column in table.primary_key.columns]
        changed = {name: statement.excluded[name] for name in values if name not in keys}
        self.connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), dict(values))

    def seal_json(self, value: Any, aad: str) -> bytes:
        # ASCII escapes: lone surrogates of a badly decoded message survive the way through UTF-8
        return self.keyring.seal(json.dumps(value, separators=(",", ":")).encode("ascii"), aad)

    def open_json(self, sealed: bytes, aad: str) -> Any:
        return json.loads(self.keyring.open(sealed, aad))


def storable(text: str) -> str:
    """Text as both databases take it: PostgreSQL refuses NUL, both refuse lone surrogates."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


_last = 0
_lock = threading.Lock()


def new_id() -> str:
    """32 hexadecimal digits: nanoseconds, strictly growing within a process, then 64 random bits.

    Grows with time so that the order of arrival survives equal clock readings and inserts stay local
    in the index; the random half makes it unguessable.
    """
    global _last  # noqa: PLW0603 - the counter is the point
    with _lock:
        _last = max(_last + 1, time.time_ns())
        return f"{_last:016x}{os.urandom(8).hex()}"
