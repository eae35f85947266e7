"""Connections to SQLite and PostgreSQL, set up so that a commit is a promise."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.errors import StoreUnavailable, UnusableInput, WrongSetting

BUSY_SECONDS = 10
"""How long a writer waits for another before it gives up as StoreUnavailable."""

_READ = "epikrise_read"


def open_engine(url: str) -> Engine:
    """``sqlite:////absolute/path.db`` or ``postgresql://…``. Connects lazily. Raises WrongSetting."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise WrongSetting("store url", remedy="write sqlite:////path/to/file.db or postgresql://…") from None
    match parsed.drivername:
        case "sqlite" | "sqlite+pysqlite":
            return _sqlite(parsed)
        case "postgresql" | "postgresql+psycopg":
            return _postgresql(parsed)
        case other:
            raise WrongSetting(f"store url: {other}", remedy="use sqlite:// or postgresql://")


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise WrongSetting("store url names no file", remedy="write sqlite:////path/to/file.db")
    path = Path(url.database)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)  # SQLite's side files take the mode of this one
    except OSError as error:
        raise WrongSetting(f"{path}: {error.strerror}", remedy="let this user write there") from None
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS, "cached_statements": 256}, pool_size=20
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        # None: Python's own transaction handling begins too late and never IMMEDIATE
        connection.isolation_level = None
        cursor = connection.cursor()
        # before the first table: a message of a few kB and its neighbours then share fewer pages to copy and check
        cursor.execute("PRAGMA page_size=8192")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # NORMAL loses commits that were acknowledged at a power cut
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")
        # 32 MB: an index page that many messages touch is copied into the database once, not once a megabyte
        cursor.execute("PRAGMA wal_autocheckpoint=4000")
        cursor.execute("PRAGMA cache_size=-32000")  # 32 MB: the fingerprints of a few hundred thousand messages
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred transaction that turns from reading to writing fails at once if somebody wrote in
        # between, whatever the busy timeout; so writers queue at the door.
        reading = connection.get_execution_options().get(_READ, False)
        cursor = connection.connection.cursor()  # the driver's own: this runs for each transaction
        if connection.info.get(_READ, False) is not reading:
            cursor.execute(f"PRAGMA query_only={'ON' if reading else 'OFF'}")
            connection.info[_READ] = reading
        cursor.execute("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL) -> Engine:
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        pool_pre_ping=True,  # a restarted server must not cost the first caller an error
        pool_size=10,
        max_overflow=20,
        pool_timeout=BUSY_SECONDS,
        connect_args={
            "connect_timeout": 5,
            "application_name": "epikrise",
            # the operator's synchronous_commit stays; a lock that nobody gives back must not hang a worker
            "options": f"-c lock_timeout={BUSY_SECONDS}s -c idle_in_transaction_session_timeout=60s",
        },
    )


@contextmanager
def transaction(engine: Engine, *, read_only: bool = False) -> Iterator[Connection]:
    """One transaction. Raises StoreUnavailable; what the block itself raises passes through."""
    with translated():
        connection = engine.connect()
        if read_only and engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        elif read_only:
            connection = connection.execution_options(**{_READ: True})
        with connection, connection.begin():
            yield connection


@contextmanager
def translated() -> Iterator[None]:
    """Database errors as ours, without the statement's values: PostgreSQL puts whole rows into its messages."""
    try:
        yield
    except PoolTimeout:
        raise StoreUnavailable("no free connection", remedy="look for transactions that never end") from None
    except DBAPIError as error:
        raise _ours(error.orig) from None
    except (sqlite3.Error, psycopg.Error) as error:  # of what goes to the driver directly
        raise _ours(error) from None
    except SQLAlchemyError as error:
        raise StoreUnavailable(type(error).__name__) from None


def _ours(cause: BaseException | None) -> StoreUnavailable | UnusableInput:
    """By class: what the database cannot do now is StoreUnavailable, what it will never take is UnusableInput."""
    if isinstance(cause, psycopg.Error):
        code = cause.sqlstate or type(cause).__name__
        refused = isinstance(cause, psycopg.DataError | psycopg.IntegrityError)
        missing = isinstance(cause, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn)
    else:
        code = getattr(cause, "sqlite_errorname", type(cause).__name__)
        refused = isinstance(cause, sqlite3.DataError | sqlite3.IntegrityError | sqlite3.InterfaceError)
        missing = code == "SQLITE_ERROR"
    if refused:
        return UnusableInput(f"the store refuses a value ({code})")
    if missing:
        return StoreUnavailable(f"its tables are not there ({code})", remedy="run the migrations")
    return StoreUnavailable(code, remedy="the work waits and is done when the store is back")
