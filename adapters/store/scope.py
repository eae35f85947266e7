"""What every part of a transaction needs: the connection, the keys, the time."""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, Select, Table
from sqlalchemy.dialects import postgresql, sqlite

from adapters.keys import KeyRing

_HALF = 8  # random bytes of an id
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
    noted_stages: set[tuple[str, str]] = field(default_factory=set)  # (name, queue) that are in the table

    def locked(self, query: Select[Any]) -> Select[Any]:
        """The rows stay ours until the end. SQLite needs nothing: its writers come one at a time."""
        return query if self.read_only else query.with_for_update()

    def insert_new(self, table: Table, values: Mapping[str, Any]) -> bool:
        """Insert unless a unique index objects. An error would end PostgreSQL's whole transaction."""
        return self.connection.execute(_insert_new(self.connection.dialect.name, table), dict(values)).rowcount == 1

    def put(self, table: Table, values: Mapping[str, Any]) -> None:
        """Insert a whole row, or replace what is no part of its primary key."""
        self.connection.execute(_put(self.connection.dialect.name, table), dict(values))

    def seal_json(self, value: Any, aad: str) -> bytes:
        # ASCII escapes: lone surrogates of a badly decoded message survive the way through UTF-8
        return self.keyring.seal(json.dumps(value, separators=(",", ":")).encode("ascii"), aad)

    def open_json(self, sealed: bytes, aad: str) -> Any:
        return json.loads(self.keyring.open(sealed, aad))


# Built once: intake runs the same few statements thousands of times a second, and building one costs as much
# as running it on SQLite.
@cache
def _insert_new(dialect: str, table: Table) -> Insert:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    # without the option an INSERT's rowcount reads -1 on PostgreSQL
    return insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


@cache
def _put(dialect: str, table: Table) -> Insert:
    statement = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    keys = [column.name for column in table.primary_key.columns]
    changed = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def storable(text: str) -> str:
    """Text as both databases take it: PostgreSQL refuses NUL, both refuse lone surrogates."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


_last = 0
_random = b""
_lock = threading.Lock()


def _forget_randomness() -> None:
    """A forked child must not give the ids that its parent gives."""
    global _random  # noqa: PLW0603
    _random = b""


os.register_at_fork(after_in_child=_forget_randomness)


def new_id() -> str:
    """32 hexadecimal digits: nanoseconds, strictly growing within a process, then 64 random bits.

    Grows with time so that the order of arrival survives equal clock readings and inserts stay local
    in the index; the random half makes it unguessable.
    """
    global _last, _random  # noqa: PLW0603 - the counter is the point
    with _lock:
        if len(_random) < _HALF:
            # many at once: each call to the system gives the interpreter's lock away, and intake wins it back late
            _random = os.urandom(256 * _HALF)
        half, _random = _random[:_HALF], _random[_HALF:]
        _last = max(_last + 1, time.time_ns())
        return f"{_last:016x}{half.hex()}"
