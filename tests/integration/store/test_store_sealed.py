import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text

from adapters.keys import KeyRing, add_sealing_key, open_keyring
from adapters.store import SqlStore, key_ids, open_store
from adapters.store.engine import open_engine
from adapters.store.tables import metadata
from service.errors import KeyMissing
from service.model import Event

MARKER = "Zyxomitra" + secrets.token_hex(4)
"""A family name that occurs nowhere else."""


def fill(store: SqlStore) -> str:
    with store.begin() as transaction:
        message_id, _ = transaction.add_message(
            channel="mllp", sender="KIS", control_id="1", body=f"PID|1||9||{MARKER}".encode(), ack_code="AA"
        )
        case = transaction.add_case(f"KLINIK|{MARKER}", lang="de")
        transaction.save_case(replace(case, notices=(MARKER,)))
        transaction.file_message(
            message_id, case_id=case.id, event=Event.DISCHARGE, event_time="2026-03-12", state="understood"
        )
        for kind in ("chart", "draft", "verification", "review", "signed", "posted", "resources"):
            transaction.put(kind, case.id, 1, {"text": MARKER})
        step = transaction.add_step("write", "write", case_id=case.id)
        transaction.audit("operator", "looked", case_id=case.id)
    assert step.case_id is not None
    return step.case_id


def test_no_payload_lies_readable_in_any_column(store: SqlStore, store_url: str) -> None:
    fill(store)
    engine = open_engine(store_url)
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            rows = connection.execute(select(table)).all()
            assert MARKER not in repr(rows), table.name
            assert MARKER.encode() not in b"".join(
                value for row in rows for value in row if isinstance(value, bytes)
            ), table.name
    engine.dispose()


def test_no_payload_lies_readable_in_sqlites_files(sqlite_url: str, keyring: KeyRing) -> None:
    store = open_store(sqlite_url, keyring)
    fill(store)
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    files = [file for file in path.parent.glob(path.name + "*") if file.is_file()]
    assert {file.name for file in files} >= {"store.db", "store.db-wal"}
    for file in files:
        assert MARKER.encode() not in file.read_bytes(), file.name
        assert MARKER.encode("utf-16-le") not in file.read_bytes(), file.name
    store.close()
    assert MARKER.encode() not in path.read_bytes()


def test_a_new_stores_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "fresh" / "store.db"
    open_engine(f"sqlite:///{path}").dispose()
    assert path.stat().st_mode & 0o077 == 0


def test_a_payload_moved_to_another_case_does_not_open(store: SqlStore, store_url: str) -> None:
    case_id = fill(store)
    with store.begin() as transaction:
        other = transaction.add_case("KLINIK|2", lang="de")
        transaction.put("draft", other.id, 1, {"text": "of the other"})
    engine = open_engine(store_url)
    with engine.begin() as connection:
        moved = {"target": case_id, "origin": other.id}
        connection.execute(
            text(
                "UPDATE payloads SET body = (SELECT body FROM payloads WHERE case_id = :origin AND kind = 'draft')"
                " WHERE case_id = :target AND kind = 'draft'"
            ),
            moved,
        )
    engine.dispose()
    with pytest.raises(KeyMissing), store.read() as transaction:
        transaction.get("draft", case_id)


def test_a_store_does_not_open_without_the_keys_its_data_needs(store: SqlStore, store_url: str, tmp_path: Path) -> None:
    fill(store)
    with pytest.raises(KeyMissing) as refused:
        open_store(store_url, open_keyring(tmp_path / "elsewhere"))
    assert refused.value.exit_code == 3
    assert "backup" in refused.value.remedy


def test_no_new_key_is_made_beside_data_that_needs_an_old_one(store: SqlStore, store_url: str, tmp_path: Path) -> None:
    fill(store)
    with pytest.raises(KeyMissing):
        open_keyring(tmp_path / "elsewhere", needed=key_ids(store_url))
    assert not list(tmp_path.glob("elsewhere/keys/*.key"))


def test_after_a_rotation_old_and_new_data_open_and_look_ups_still_find(
    store: SqlStore, store_url: str, tmp_path: Path
) -> None:
    case_id = fill(store)
    fresh = add_sealing_key(tmp_path / "home")
    rotated = open_store(store_url, open_keyring(tmp_path / "home", needed=key_ids(store_url)))
    assert fresh in key_ids(store_url)
    with rotated.begin() as transaction:
        case = transaction.case_by_key(f"KLINIK|{MARKER}")
        assert case is not None
        assert case.id == case_id
        assert transaction.get("draft", case_id) == {"text": MARKER}
        transaction.put("draft", case_id, 2, {"text": "new"})
    rotated.close()
    with pytest.raises(KeyMissing), store.read() as transaction:  # the former ring lacks the new key
        transaction.get("draft", case_id)


def test_a_store_that_does_not_exist_yet_needs_no_keys(tmp_path: Path) -> None:
    assert key_ids(f"sqlite:///{tmp_path / 'none.db'}") == ()
