"""How far a neighbour has been read: small texts without PHI, under a name."""

from sqlalchemy import select

from adapters.store.scope import Scope
from adapters.store.tables import cursors


def cursor(scope: Scope, name: str) -> str | None:
    return scope.connection.scalar(select(cursors.c.value).where(cursors.c.name == name))


def set_cursor(scope: Scope, name: str, value: str) -> None:
    scope.put(cursors, {"name": name, "value": value, "updated_at": scope.now})
