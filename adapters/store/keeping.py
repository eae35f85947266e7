"""Intake's two inserts, for a group of messages at a time.

Plain SQL straight to the driver: at thousands of messages a second SQLAlchemy's work for each row costs more than
the row. SQLite takes many rows in one statement, for each statement gives up the interpreter's lock and has to
win it back from the thread that receives; PostgreSQL's driver sends rows as a pipeline.
"""

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

from sqlalchemy import select, update

from adapters.keys import KeyRing
from adapters.store.messages import body_aad
from adapters.store.scope import Scope, new_id, storable
from adapters.store.steps import add_step
from adapters.store.tables import messages, stages, steps
from service.errors import NotFound
from service.model import NewMessage, SealedMessage

_STEP: Final = (
    "id", "name", "queue", "subject", "generation", "state", "attempts", "token", "created_at", "not_before",
)  # fmt: skip
_TOGETHER: Final = 64  # rows in one statement of SQLite; engine.py has it keep as many statements prepared
_LOOKED_UP: Final = 500  # fingerprints in one SELECT
_PRINT: Final = 64  # characters of a fingerprint
_READABLE: Final = 24  # of them the beginning of MSH-10


_MESSAGE: Final = (*SealedMessage._fields, "received_at")


def seal_message(keyring: KeyRing, new: NewMessage) -> SealedMessage:
    """All of it that needs no database: hashes, id, encryption.

    The fingerprint starts with MSH-10, which most senders count up: so its index grows at few places, and a group
    of messages changes few of its pages. Hashes alone would change one page for each message.
    """
    _, sender, control_id, body, ack_code, state, error_code, kind = new
    digest = keyring.lookup(body, purpose="message")
    # lengths first: no sender that ends like a control id makes two messages one
    told = keyring.lookup(f"{len(sender)}|{sender}|{len(control_id)}|{control_id}|{digest}", purpose="fingerprint")
    if not (sender.isascii() and control_id.isascii() and sender.isprintable() and control_id.isprintable()):
        sender, control_id = storable(sender), storable(control_id)
    readable = control_id[:_READABLE]
    id_ = new_id()
    return SealedMessage(
        id_,
        readable + told[: _PRINT - len(readable)],
        new.channel,
        sender,
        control_id,
        digest,
        keyring.seal(body, body_aad(id_)),
        state,
        ack_code,
        "",
        error_code,
        kind[:24],
    )


def add_messages(scope: Scope, new: Sequence[NewMessage | SealedMessage]) -> list[tuple[str, bool]]:
    """(message id, is new) of each, in order.

    The unique fingerprint decides what is new, so that two listeners cannot both think so; a message that
    comes twice in one group is new once. One that was refused when it came first, as a frame without an end or by a
    fault of ours, and is taken now, is new as well: its sender is told so, and therefore it must be read.
    """
    sealed = [seal_message(scope.keyring, message) if isinstance(message, NewMessage) else message for message in new]
    now = (_time(scope),)
    if _insert(scope, "messages", _MESSAGE, [row + now for row in sealed]) == len(sealed):
        return [(row.id, True) for row in sealed]
    kept = _find(scope, [row.fingerprint for row in sealed])
    found: list[tuple[str, bool]] = []
    for row in sealed:
        if row.fingerprint not in kept:
            raise NotFound("the message this one repeats was removed just now", remedy="send it again")
        first, state = kept[row.fingerprint]
        found.append((first, first == row.id or (state == "refused" and _is_taken_now(scope, row, first))))
    return found


def add_steps(scope: Scope, name: str, queue: str, subjects: Sequence[str]) -> list[str]:
    """Ids of one step for each subject, due now; of the live one where there is one already."""
    if not subjects:
        return []
    if (name, queue) not in scope.noted_stages:
        scope.insert_new(stages, {"name": name, "queue": queue})
        scope.noted_stages.add((name, queue))
    now = _time(scope)
    rows = [(new_id(), name, queue, subject, 0, "waiting", 0, 0, now, now) for subject in subjects]
    if _insert(scope, "steps", _STEP, rows) == len(rows):
        return [row[0] for row in rows]
    # what was inserted just now is found again as the live one
    return [
        add_step(scope, name, queue, case_id=None, subject=subject, generation=0, not_before=None).id
        for subject in subjects
    ]


def _is_taken_now(scope: Scope, row: SealedMessage, first: str) -> bool:
    if row.state != "stored":
        return False
    statement = update(messages).where(messages.c.id == first, messages.c.state == "refused")
    changed = scope.connection.execute(statement.values(state="stored", ack_code=row.ack_code, error_code=None))
    return changed.rowcount == 1


def _find(scope: Scope, prints: Sequence[str]) -> dict[str, tuple[str, str]]:
    """(message id, state) by fingerprint."""
    found: dict[str, tuple[str, str]] = {}
    for start in range(0, len(prints), _LOOKED_UP):
        wanted = prints[start : start + _LOOKED_UP]
        query = select(messages.c.fingerprint, messages.c.id, messages.c.state).where(
            messages.c.fingerprint.in_(wanted)
        )
        found.update((row.fingerprint, (row.id, row.state)) for row in scope.connection.execute(query))
    return found


def _insert(scope: Scope, table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> int:
    """How many rows were new."""
    cursor = scope.connection.connection.cursor()
    if scope.connection.dialect.name == "postgresql":
        cursor.executemany(_statement(table, columns, 1, "%s"), rows)
        return cursor.rowcount
    inserted = 0
    for start in range(0, len(rows), _TOGETHER):
        chunk = rows[start : start + _TOGETHER]
        cursor.execute(_statement(table, columns, len(chunk), "?"), tuple(chain.from_iterable(chunk)))
        inserted += cursor.rowcount
    return inserted


@cache
def _statement(table: str, columns: tuple[str, ...], rows: int, mark: str) -> str:
    values = f"({', '.join([mark] * len(columns))})"
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([values] * rows)} "  # noqa: S608 - our names
        "ON CONFLICT DO NOTHING"
    )


def _time(scope: Scope) -> Any:
    """``scope.now`` as the driver takes it."""
    dialect = scope.connection.dialect
    convert = steps.c.created_at.type.dialect_impl(dialect).bind_processor(dialect)
    return convert(scope.now) if convert else scope.now
