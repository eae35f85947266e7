"""Intake's two inserts, for a group of messages at a time.

Plain SQL straight to the driver: at thousands of messages a second SQLAlchemy's work for each row costs more than
the row. SQLite takes many rows in one statement, for each statement gives up the interpreter's lock and has to
win it back from the thread that receives; PostgreSQL's driver sends rows as a pipeline.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import select

from adapters.store.scope import Scope, new_id, storable
from adapters.store.steps import add_step
from adapters.store.tables import messages, stages, steps
from service.errors import NotFound
from service.model import NewMessage, Step, StepState

_MESSAGE: Final = (
    "id", "fingerprint", "received_at", "channel", "sender", "control_id", "digest", "body", "state", "ack_code",
    "event_time", "error_code", "kind",
)  # fmt: skip
_STEP: Final = (
    "id", "name", "queue", "subject", "generation", "state", "attempts", "token", "created_at", "not_before",
)  # fmt: skip
_CHUNKS: Final = (64, 32, 16, 8, 4, 2, 1)  # rows in one statement of SQLite: few sizes, so that each stays prepared
_LOOKED_UP: Final = 500  # fingerprints in one SELECT


def add_messages(scope: Scope, new: Sequence[NewMessage]) -> list[tuple[str, bool]]:
    """(message id, is new) of each, in order.

    The unique fingerprint decides what is new, so that two listeners cannot both think so; a message that
    comes twice in one group is new once.
    """
    now = _time(scope)
    prints: list[str] = []
    rows: list[tuple[Any, ...]] = []
    for message in new:
        digest = scope.keyring.lookup(message.body, purpose="message")
        sender, control_id = message.sender, message.control_id
        # lengths first: no sender that ends like a control id makes two messages one
        fingerprint = scope.keyring.lookup(
            f"{len(sender)}|{sender}|{len(control_id)}|{control_id}|{digest}", purpose="fingerprint"
        )
        prints.append(fingerprint)
        id_ = new_id()
        rows.append(
            (
                id_,
                fingerprint,
                now,
                message.channel,
                sender if sender.isprintable() and sender.isascii() else storable(sender),
                control_id if control_id.isprintable() and control_id.isascii() else storable(control_id),
                digest,
                scope.keyring.seal(message.body, f"message/{id_}/body"),
                message.state,
                message.ack_code,
                "",
                message.error_code,
                storable(message.kind)[:24],
            )
        )
    if _insert(scope, "messages", _MESSAGE, rows) == len(rows):
        return [(row[0], True) for row in rows]
    kept = _find(scope, prints)
    found: list[tuple[str, bool]] = []
    for row, fingerprint in zip(rows, prints, strict=True):
        if fingerprint not in kept:
            raise NotFound("the message this one repeats was removed just now", remedy="send it again")
        found.append((kept[fingerprint], kept[fingerprint] == row[0]))
    return found


def add_steps(scope: Scope, name: str, queue: str, subjects: Sequence[str]) -> list[Step]:
    """One step for each subject, due now; the live one where there is one already."""
    if not subjects:
        return []
    if (name, queue) not in scope.noted_stages:
        scope.insert_new(stages, {"name": name, "queue": queue})
        scope.noted_stages.add((name, queue))
    now = _time(scope)
    added = [
        Step(
            id=new_id(),
            name=name,
            queue=queue,
            case_id=None,
            subject=subject,
            generation=0,
            state=StepState.WAITING,
            attempts=0,
            token=0,
            created_at=scope.now,
            not_before=scope.now,
        )
        for subject in subjects
    ]
    rows = [(step.id, name, queue, step.subject, 0, "waiting", 0, 0, now, now) for step in added]
    if _insert(scope, "steps", _STEP, rows) == len(rows):
        return added
    # what was inserted just now is found again as the live one
    return [
        add_step(scope, name, queue, case_id=None, subject=subject, generation=0, not_before=None)
        for subject in subjects
    ]


def _find(scope: Scope, prints: Sequence[str]) -> dict[str, str]:
    """Message ids by fingerprint."""
    found: dict[str, str] = {}
    for start in range(0, len(prints), _LOOKED_UP):
        wanted = prints[start : start + _LOOKED_UP]
        query = select(messages.c.fingerprint, messages.c.id).where(messages.c.fingerprint.in_(wanted))
        found.update((row.fingerprint, row.id) for row in scope.connection.execute(query))
    return found


def _insert(scope: Scope, table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> int:
    """How many rows were new."""
    if scope.connection.dialect.name == "postgresql":
        return _run(scope, _statement(table, columns, 1, "%s"), list(rows))
    inserted, start = 0, 0
    for size in _CHUNKS:
        while len(rows) - start >= size:
            values = tuple(value for row in rows[start : start + size] for value in row)
            inserted += _run(scope, _statement(table, columns, size, "?"), values)
            start += size
    return inserted


def _run(scope: Scope, statement: str, values: Any) -> int:
    # without the option an INSERT's rowcount reads -1 on PostgreSQL
    options = {"preserve_rowcount": True}
    return scope.connection.exec_driver_sql(statement, values, execution_options=options).rowcount


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
