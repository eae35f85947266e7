"""Stores on SQLite and PostgreSQL, as fixtures; conftest makes them known.

``store`` runs a test on both; ``store_url`` and ``keyring`` are for those who open their own;
``postgres_url`` alone is a migrated, empty PostgreSQL database, or skips with the one reason.
"""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from postgres_server import NoPostgres, postgres_server, why_not

from adapters.keys import KeyRing, open_keyring
from adapters.store import SqlStore, migrate, open_store
from adapters.store.tables import metadata


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 12, 8, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keyring(tmp_path: Path) -> KeyRing:
    return open_keyring(tmp_path / "home")


@pytest.fixture(scope="session")
def _migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "store.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(_migrated_sqlite: Path, tmp_path: Path) -> str:
    shutil.copy(_migrated_sqlite, tmp_path / "store.db")
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture(scope="session")
def _migrated_postgres() -> Iterator[str]:
    try:
        with postgres_server() as url:
            migrate(url)
            yield url
    except NoPostgres as reason:
        pytest.skip(str(reason))


@pytest.fixture
def postgres_url(_migrated_postgres: str) -> str:
    with psycopg.connect(_migrated_postgres) as connection:
        tables = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
        connection.execute(f"TRUNCATE {tables}")
    return _migrated_postgres


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without PostgreSQL one test stands skipped for all, so that the reason is one line and not a hundred."""
    needing = [item for item in items if _needs_postgres(item)]
    if needing and (reason := why_not()) is not None:
        needing[0].add_marker(pytest.mark.skip(reason=f"{reason} ({len(needing)} tests)"))
        config.hook.pytest_deselected(items=needing[1:])
        items[:] = [item for item in items if item not in needing[1:]]


def _needs_postgres(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function):
        return False
    chosen = item.callspec.params.get("store_url") if hasattr(item, "callspec") else None
    return chosen == "postgresql" or "postgres_url" in item.fixturenames


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
def store(store_url: str, keyring: KeyRing, clock: Clock) -> Iterator[SqlStore]:
    opened = open_store(store_url, keyring, clock=clock)
    yield opened
    opened.close()
