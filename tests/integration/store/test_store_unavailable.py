import sqlite3
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from adapters.keys import KeyRing
from adapters.store import SqlStore, engine, open_store
from adapters.store.engine import open_engine, transaction
from service.errors import StoreUnavailable, WrongSetting

SECRET = "Zyxomitra1957"


def add(store: SqlStore) -> None:
    with store.begin() as transaction:
        transaction.add_message(channel="mllp", sender=SECRET, control_id=SECRET, body=b"x", ack_code="AA")


@pytest.mark.parametrize(
    "url", ["mysql://x/y", "nonsense", "sqlite://", "sqlite:///:memory:", "postgresql+asyncpg://x"]
)
def test_a_store_that_is_not_ours_is_a_wrong_setting(url: str, keyring: KeyRing) -> None:
    with pytest.raises(WrongSetting):
        open_store(url, keyring)


def test_a_locked_file_is_unavailable_and_the_error_names_no_value(
    sqlite_url: str, keyring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)
    store = open_store(sqlite_url, keyring)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable) as locked:
        add(store)
    assert "SQLITE_BUSY" in str(locked.value)
    with store.read() as reading:  # readers are not in the writer's way, nor it in theirs
        assert reading.cases() == []
    other.close()
    add(store)
    store.close()


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path, keyring: KeyRing) -> None:
    (tmp_path / "broken.db").write_bytes(b"this is no database" * 400)
    with pytest.raises(StoreUnavailable):
        open_store(f"sqlite:///{tmp_path / 'broken.db'}", keyring)


def test_a_store_that_was_never_migrated_says_so(tmp_path: Path, keyring: KeyRing) -> None:
    with pytest.raises(StoreUnavailable, match="migrations"):
        open_store(f"sqlite:///{tmp_path / 'fresh.db'}", keyring)


def test_writing_in_a_reading_transaction_is_refused(store: SqlStore) -> None:
    with pytest.raises(StoreUnavailable) as refused, store.read() as reading:
        reading.add_message(channel="mllp", sender=SECRET, control_id=SECRET, body=b"x", ack_code="AA")
    assert SECRET not in repr(refused.value)
    assert refused.value.__suppress_context__
    add(store)


def test_no_database_error_carries_a_value(store: SqlStore, store_url: str) -> None:
    opened = open_engine(store_url)
    with opened.begin() as connection:
        if connection.dialect.name == "sqlite":
            trigger = "CREATE TRIGGER refuse BEFORE INSERT ON messages BEGIN SELECT RAISE(ABORT, 'no'); END"
            connection.execute(text(trigger))
        else:
            connection.execute(text("ALTER TABLE messages ADD CONSTRAINT refuse CHECK (channel <> 'mllp')"))
    with pytest.raises(Exception) as refused:
        add(store)
    assert SECRET not in f"{refused.value!r} {refused.value}"
    assert refused.value.__suppress_context__
    with opened.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER refuse"))
        else:
            connection.execute(text("ALTER TABLE messages DROP CONSTRAINT refuse"))
    opened.dispose()


def test_a_connection_lost_in_a_transaction_is_unavailable_and_the_next_one_works(
    postgres_url: str, keyring: KeyRing
) -> None:
    store = open_store(postgres_url, keyring)
    with pytest.raises(StoreUnavailable), store.begin() as begun:
        begun.cases()
        _end_other_connections(postgres_url)
        begun.cases()
    add(store)
    _end_other_connections(postgres_url)
    add(store)
    store.close()


def _end_other_connections(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'epikrise'")


def test_a_server_that_is_not_there_is_unavailable_and_its_password_stays_secret(keyring: KeyRing) -> None:
    with pytest.raises(StoreUnavailable) as gone:
        open_store(f"postgresql://u:{SECRET}@127.0.0.1:1/epikrise", keyring)
    assert SECRET not in repr(gone.value)


def test_a_commit_on_sqlite_waits_for_the_disk(sqlite_url: str) -> None:
    opened = open_engine(sqlite_url)
    with transaction(opened) as connection:
        settings = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("synchronous", "journal_mode", "foreign_keys")
        ]
    opened.dispose()
    assert settings == [2, "wal", 1]  # 2: FULL
