import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from adapters.store import migrate
from adapters.store.engine import open_engine
from adapters.store.migrate import newest_revision
from adapters.store.tables import metadata
from service.errors import WrongSetting


@pytest.mark.filterwarnings("ignore:.*expression-based index")  # the next test looks at that one
def test_the_migrations_arrive_at_the_tables_of_the_program(store_url: str) -> None:
    engine = open_engine(store_url)
    with engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
    engine.dispose()
    assert difference == []


def test_the_one_live_step_is_kept_by_the_database_itself(store_url: str) -> None:
    engine = open_engine(store_url)
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            query = "SELECT sql FROM sqlite_master WHERE name = 'steps_one_live'"
        else:
            query = "SELECT indexdef FROM pg_indexes WHERE indexname = 'steps_one_live'"
        made = (connection.execute(text(query)).scalar_one()).lower()
    engine.dispose()
    assert "unique" in made
    assert "where" in made
    assert all(word in made for word in ("coalesce", "name", "generation", "subject", "waiting", "running", "failed"))


def test_migrating_again_changes_nothing(store_url: str) -> None:
    migrate(store_url)
    migrate(store_url)


def test_service_and_worker_may_migrate_at_the_same_time(tmp_path: Path) -> None:
    url, failures = f"sqlite:///{tmp_path / 'fresh.db'}", []

    def run() -> None:
        try:
            migrate(url)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_store_newer_than_the_program_is_left_alone(store_url: str) -> None:
    engine = open_engine(store_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    try:
        with pytest.raises(WrongSetting, match="9999"):
            migrate(store_url)
    finally:
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :now"), {"now": newest_revision()})
        engine.dispose()
