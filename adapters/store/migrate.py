"""Bring a store's tables to the newest form. Forward only, in one transaction, safe to call from every process."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, inspect, select, text

from adapters.store import tables
from adapters.store.engine import open_engine, transaction
from service.errors import WrongSetting

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x45504B52  # any constant of our own, for PostgreSQL's advisory lock


def migrate(url: str) -> None:
    """Raises StoreUnavailable; WrongSetting where the store is newer than this program."""
    engine = open_engine(url)
    try:
        # SQLite: BEGIN IMMEDIATE keeps a second process out; both databases roll DDL back
        with transaction(engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            config = _config()
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError:
                raise WrongSetting(
                    f"the store is at revision {revision(connection)}, newer than this program",
                    remedy="install the release that wrote it; migrations never go back",
                ) from None
    finally:
        engine.dispose()


def key_ids(url: str) -> tuple[str, ...]:
    """Ids of the keys that the store's data needs; none for a store that does not exist yet.

    For :func:`adapters.keys.open_keyring`, so that no new key hides the loss of an old one.
    """
    engine = open_engine(url)
    try:
        with transaction(engine, read_only=True) as connection:
            if not inspect(connection).has_table(tables.key_ids.name):
                return ()
            return tuple(connection.scalars(select(tables.key_ids.c.id).order_by(tables.key_ids.c.id)))
    finally:
        engine.dispose()


def revision(connection: Connection) -> str | None:
    """The migration the store is at; None for an empty database."""
    return MigrationContext.configure(connection).get_current_revision()


@cache
def newest_revision() -> str | None:
    """The migration this program was written for."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config
