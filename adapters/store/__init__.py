"""The store on SQLite and PostgreSQL: tables, migrations, leases, encryption at rest."""

from adapters.store.audit import verify_chain
from adapters.store.group_commit import GroupCommit, Kept, share_interpreter
from adapters.store.migrate import key_ids, migrate
from adapters.store.sql import SqlStore, open_store

__all__ = ["GroupCommit", "Kept", "SqlStore", "key_ids", "migrate", "open_store", "share_interpreter", "verify_chain"]
