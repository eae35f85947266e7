"""Fixtures that integration tests share."""

from fhir_fixtures import load_chart, sandbox_ehr
from store_fixtures import (
    _migrated_postgres,
    _migrated_sqlite,
    clock,
    keyring,
    postgres_url,
    pytest_collection_modifyitems,
    sqlite_url,
    store,
    store_url,
)

__all__ = [
    "_migrated_postgres",
    "_migrated_sqlite",
    "clock",
    "keyring",
    "load_chart",
    "postgres_url",
    "pytest_collection_modifyitems",
    "sandbox_ehr",
    "sqlite_url",
    "store",
    "store_url",
]
