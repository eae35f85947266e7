"""The EHR's own database: resources, their versions, the search index. SQLite, one writer at a time."""

import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from adapters.sandbox.outcome import Resource, refuse
from adapters.sandbox.search import Query
from adapters.sandbox.search_parameters import index_entries, local_target

SCHEMA = """
CREATE TABLE IF NOT EXISTS resource (
    seq INTEGER NOT NULL UNIQUE, type TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,
    body BLOB NOT NULL, PRIMARY KEY (type, id));
CREATE TABLE IF NOT EXISTS version (
    type TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, method TEXT NOT NULL,
    body BLOB NOT NULL, PRIMARY KEY (type, id, version));
CREATE TABLE IF NOT EXISTS entry (
    type TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, system TEXT NOT NULL, value TEXT NOT NULL,
    low TEXT NOT NULL, high TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS entry_of ON entry (type, id, name);
CREATE INDEX IF NOT EXISTS entry_value ON entry (type, name, value);
CREATE TABLE IF NOT EXISTS link (
    type TEXT NOT NULL, id TEXT NOT NULL, target_type TEXT NOT NULL, target_id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS link_of ON link (type, id);
CREATE INDEX IF NOT EXISTS link_to ON link (target_type, target_id);
CREATE TABLE IF NOT EXISTS event (
    subscription TEXT NOT NULL, number INTEGER NOT NULL, at TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (subscription, number));
"""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A resource as it lies here, with meta.versionId and meta.lastUpdated set."""

    resource: Resource
    version: int
    seq: int
    created: bool = False

    @property
    def reference(self) -> str:
        return f"{self.resource['resourceType']}/{self.resource['id']}"

    @property
    def etag(self) -> str:
        return f'W/"{self.version}"'


class Storage:
    """Opens ``home/ehr.sqlite``. One connection behind a lock: a sandbox has few users.

    ``on_change`` is called at the end of a transaction that wrote; what it gives goes to ``on_commit``.
    """

    def __init__(self, home: Path) -> None:
        self.on_change: Callable[[Records, Sequence[Stored]], list[Any]] = lambda *_: []
        self.on_commit: Callable[[list[Any]], None] = lambda _: None
        home.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(home / "ehr.sqlite", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def begin(self, *, bases: tuple[str, ...] = ()) -> Iterator["Records"]:
        """One transaction; rolled back on any exception. ``bases``: this server's own addresses."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            records = Records(self._db, bases)
            try:
                yield records
                follows = self.on_change(records, records.changes) if records.changes else []
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        self.on_commit(follows)


class Records:
    """What can be done inside one transaction."""

    def __init__(self, db: sqlite3.Connection, bases: tuple[str, ...]) -> None:
        self._db = db
        self.bases = bases
        self.changes: list[Stored] = []

    def get(self, resource_type: str, resource_id: str) -> Stored | None:
        row = self._db.execute(
            "SELECT seq, version, body FROM resource WHERE type = ? AND id = ?", (resource_type, resource_id)
        ).fetchone()
        return None if row is None else Stored(seq=row[0], version=row[1], resource=orjson.loads(row[2]))

    def versions(self, resource_type: str, resource_id: str) -> Sequence[tuple[int, str, Resource]]:
        """(version, method, resource), newest first."""
        rows = self._db.execute(
            "SELECT version, method, body FROM version WHERE type = ? AND id = ? ORDER BY version DESC",
            (resource_type, resource_id),
        ).fetchall()
        return [(version, method, orjson.loads(body)) for version, method, body in rows]

    def put(self, resource: Resource, *, method: str) -> Stored:
        """Store as a new version; without an id one is chosen."""
        name, identity = resource["resourceType"], resource.get("id") or str(uuid.uuid4())
        former = self._db.execute("SELECT version FROM resource WHERE type = ? AND id = ?", (name, identity)).fetchone()
        newest = self._db.execute("SELECT max(version) FROM version WHERE type = ? AND id = ?", (name, identity))
        version = int(newest.fetchone()[0] or 0) + 1
        seq = int(self._db.execute("SELECT coalesce(max(seq), 0) + 1 FROM resource").fetchone()[0])
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        meta = {**resource.get("meta", {}), "versionId": str(version), "lastUpdated": now}
        kept = {"resourceType": name, "id": identity, **{k: v for k, v in resource.items() if k != "id"}, "meta": meta}
        body = orjson.dumps(kept)
        self._db.execute("INSERT OR REPLACE INTO resource VALUES (?, ?, ?, ?, ?)", (seq, name, identity, version, body))
        self._db.execute("INSERT INTO version VALUES (?, ?, ?, ?, ?)", (name, identity, version, method, body))
        self._index(kept)
        stored = Stored(resource=kept, version=version, seq=seq, created=former is None)
        self.changes.append(stored)
        return stored

    def delete(self, resource_type: str, resource_id: str) -> None:
        """Its versions stay, as http.html#delete wants; what is not there is deleted already."""
        for table in ("resource", "entry", "link"):
            self._db.execute(f"DELETE FROM {table} WHERE type = ? AND id = ?", (resource_type, resource_id))  # noqa: S608 -- our own names

    def all_of(self, resource_type: str) -> Sequence[Stored]:
        rows = self._db.execute(
            "SELECT seq, version, body FROM resource WHERE type = ? ORDER BY seq", (resource_type,)
        ).fetchall()
        return [Stored(seq=row[0], version=row[1], resource=orjson.loads(row[2])) for row in rows]

    # ------------------------------------------------------------ events of Subscriptions

    def add_event(self, subscription: str, change: Stored) -> int:
        """Its number: from 1, without gaps."""
        number = self.event_count(subscription) + 1
        body, at = orjson.dumps(change.resource), change.resource["meta"]["lastUpdated"]
        self._db.execute("INSERT INTO event VALUES (?, ?, ?, ?)", (subscription, number, at, body))
        return number

    def event_count(self, subscription: str) -> int:
        row = self._db.execute("SELECT count(*) FROM event WHERE subscription = ?", (subscription,)).fetchone()
        return int(row[0])

    def event(self, subscription: str, number: int) -> tuple[Resource, str]:
        """(the resource as it then was, when)."""
        row = self._db.execute(
            "SELECT body, at FROM event WHERE subscription = ? AND number = ?", (subscription, number)
        ).fetchone()
        return orjson.loads(row[0]), row[1]

    def _index(self, resource: Resource) -> None:
        name, identity = resource["resourceType"], resource["id"]
        self._db.execute("DELETE FROM entry WHERE type = ? AND id = ?", (name, identity))
        self._db.execute("DELETE FROM link WHERE type = ? AND id = ?", (name, identity))
        self._db.executemany(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (name, identity, entry.name, entry.system, entry.value, entry.low, entry.high)
                for entry in index_entries(resource, bases=self.bases)
            ],
        )
        targets = {local_target(reference, self.bases) for reference, _ in references_in(resource)}
        self._db.executemany(
            "INSERT INTO link VALUES (?, ?, ?, ?)",
            [(name, identity, target[0], target[1]) for target in targets if target is not None],
        )

    def search(self, query: Query) -> tuple[int, Sequence[Stored], bool]:
        """(total, one page, is there more). ``seq`` grows with each write, so it is also the order of
        ``_lastUpdated``, and a page's end stays put while others write."""
        total = int(
            self._db.execute(f"SELECT count(*) FROM resource r WHERE {query.where}", query.arguments).fetchone()[0]  # noqa: S608 -- built from literals; values are bound
        )
        if query.total_only:
            return total, (), False
        where, arguments = query.where, list(query.arguments)
        if query.after is not None:
            where += " AND r.seq < ?" if query.descending else " AND r.seq > ?"
            arguments.append(query.after)
        order = "DESC" if query.descending else "ASC"
        rows = self._db.execute(
            f"SELECT r.seq, r.version, r.body FROM resource r WHERE {where} ORDER BY r.seq {order} LIMIT ?",  # noqa: S608 -- as above
            (*arguments, query.count + 1),
        ).fetchall()
        page = [Stored(seq=row[0], version=row[1], resource=orjson.loads(row[2])) for row in rows[: query.count]]
        return total, page, len(rows) > query.count

    def everything(self, patient_id: str, *, after: int, count: int) -> tuple[Sequence[Stored], bool]:
        """The patient, all that points to it, and what those point to except other patients, by ``seq``."""
        rows = self._db.execute(
            """
            WITH own AS (SELECT type, id FROM link WHERE target_type = 'Patient' AND target_id = :patient
                         UNION SELECT 'Patient', :patient),
                 wanted AS (SELECT type, id FROM own
                            UNION SELECT l.target_type, l.target_id FROM own JOIN link l
                                  ON l.type = own.type AND l.id = own.id WHERE l.target_type != 'Patient')
            SELECT r.seq, r.version, r.body FROM resource r JOIN wanted w ON w.type = r.type AND w.id = r.id
            WHERE r.seq > :after ORDER BY r.seq LIMIT :limit
            """,
            {"patient": patient_id, "after": after, "limit": count + 1},
        ).fetchall()
        page = [Stored(seq=row[0], version=row[1], resource=orjson.loads(row[2])) for row in rows[:count]]
        return page, len(rows) > count

    def require(self, resource_type: str, resource_id: str) -> Stored:
        """Raises Refusal 404."""
        stored = self.get(resource_type, resource_id)
        if stored is None:
            raise refuse(404, "not-found", "There is no such resource.", resource_type)
        return stored


def references_in(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(reference, path) of every Reference inside a resource."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from references_in(item, f"{path}[{index}]")
    elif isinstance(node, dict):
        reference = node.get("reference")
        if isinstance(reference, str):
            yield reference, f"{path}.reference"
        for key, value in node.items():
            yield from references_in(value, f"{path}.{key}" if path else key)
