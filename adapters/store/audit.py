"""The audit trail: each entry's digest covers the entry and the digest before it.

The digest is keyed (HMAC-SHA256 under the look-up key), so that who can write to the database but has no
key cannot write the chain anew. Cutting entries off the end is betrayed by the head row, whose own mac names the
last number and digest. Setting trail *and* head back to an older copy of both is not detectable from inside;
keep the exported head elsewhere for that.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, insert, select

from adapters.keys import KeyRing
from adapters.store.scope import Scope, storable
from adapters.store.tables import audit, audit_head
from service.model import AuditEntry

GENESIS = "0" * 64


@dataclass(frozen=True, kw_only=True)
class Remark:
    """An entry that waits for its place in the chain."""

    actor: str
    action: str
    case_id: str | None
    detail: str


@dataclass(frozen=True, kw_only=True)
class ChainCheck:
    """``broken_at``: number of the first entry that does not fit; one past the last if the end is cut off."""

    entries: int
    broken_at: int | None

    @property
    def intact(self) -> bool:
        return self.broken_at is None


def append(scope: Scope, remarks: Sequence[Remark]) -> None:
    """Locks the head row until the end of the transaction, hence called last of all: no other lock is taken
    after it, so that two transactions cannot wait for each other."""
    if not remarks:
        return
    scope.insert_new(audit_head, {"id": 1, "seq": 0, "digest": GENESIS, "mac": _mac(scope.keyring, 0, GENESIS)})
    head = scope.connection.execute(scope.locked(select(audit_head))).one()
    seq, previous = head.seq, head.digest
    rows = []
    for remark in remarks:
        seq += 1
        entry = _entry(scope.keyring, seq, scope.now, remark, previous)
        rows.append({name: getattr(entry, name) for name in audit.c.keys()})  # noqa: SIM118 - columns, not a dict
        previous = entry.digest
    scope.connection.execute(insert(audit), rows)
    scope.put(audit_head, {"id": 1, "seq": seq, "digest": previous, "mac": _mac(scope.keyring, seq, previous)})


def trail(scope: Scope) -> Sequence[AuditEntry]:
    return [_read(row) for row in scope.connection.execute(select(audit).order_by(audit.c.seq))]


def verify_chain(entries: Sequence[AuditEntry], keyring: KeyRing) -> int | None:
    """The number of the first entry that does not fit the one before it; None if all do.

    A trail that was cut short at its end still fits: :func:`check_trail` sees that too.
    """
    previous = GENESIS
    for expected, entry in enumerate(entries, start=1):
        genuine = _digest(keyring, entry) == entry.digest
        if entry.seq != expected or entry.previous != previous or not genuine:
            return expected
        previous = entry.digest
    return None


def check_trail(scope: Scope) -> ChainCheck:
    entries = trail(scope)
    broken_at = verify_chain(entries, scope.keyring)
    if broken_at is None:
        last = (entries[-1].seq, entries[-1].digest) if entries else (0, GENESIS)
        head = scope.connection.execute(select(audit_head)).one_or_none()
        told = (0, GENESIS, _mac(scope.keyring, 0, GENESIS)) if head is None else (head.seq, head.digest, head.mac)
        if told != (*last, _mac(scope.keyring, *last)):
            broken_at = len(entries) + 1
    return ChainCheck(entries=len(entries), broken_at=broken_at)


def _entry(keyring: KeyRing, seq: int, at: datetime, remark: Remark, previous: str) -> AuditEntry:
    values: dict[str, Any] = {
        "seq": seq,
        "at": at.astimezone(UTC),
        "actor": storable(remark.actor),
        "action": storable(remark.action),
        "case_id": remark.case_id,
        "detail": storable(remark.detail),
        "previous": previous,
    }
    return AuditEntry(**values, digest=_digest(keyring, AuditEntry(**values, digest="")))


def _digest(keyring: KeyRing, entry: AuditEntry) -> str:
    at = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    fields = [entry.seq, at, entry.actor, entry.action, entry.case_id, entry.detail, entry.previous]
    return keyring.lookup(json.dumps(fields, separators=(",", ":")), purpose="audit")


def _mac(keyring: KeyRing, seq: int, digest: str) -> str:
    return keyring.lookup(f"{seq}|{digest}", purpose="audit head")


def _read(row: Row[Any]) -> AuditEntry:
    return AuditEntry(**row._mapping)
