import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from adapters.keys import KeyRing
from adapters.store import SqlStore, verify_chain
from adapters.store.engine import open_engine


def remark(store: SqlStore, *actions: str) -> None:
    with store.begin() as transaction:
        for action in actions:
            transaction.audit("dr.meier", action, case_id="c1", detail="generation 1")


def intact(store: SqlStore) -> bool:
    with store.read() as transaction:
        return transaction.check_audit().intact


def tamper(url: str, statement: str) -> None:
    engine: Engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_the_trail_chains_over_transactions(store: SqlStore, keyring: KeyRing) -> None:
    assert intact(store)
    remark(store, "opened", "edited")
    remark(store, "signed")
    with store.begin() as transaction:
        trail = transaction.audit_trail()
    assert [entry.action for entry in trail] == ["opened", "edited", "signed"]
    assert [entry.seq for entry in trail] == [1, 2, 3]
    assert trail[2].previous == trail[1].digest
    assert verify_chain(trail, keyring) is None
    assert intact(store)


def test_a_transaction_sees_its_own_remarks(store: SqlStore) -> None:
    with store.begin() as transaction:
        transaction.audit("operator", "held")
        assert [entry.action for entry in transaction.audit_trail()] == ["held"]
        transaction.audit("operator", "released")
    with store.read() as transaction:
        assert [entry.action for entry in transaction.audit_trail()] == ["held", "released"]


def test_any_altered_field_breaks_the_chain_where_it_was_altered(store: SqlStore, keyring: KeyRing) -> None:
    remark(store, "opened", "edited", "signed")
    with store.read() as transaction:
        trail = list(transaction.audit_trail())
    for change in (
        {"actor": "x"},
        {"action": "x"},
        {"case_id": None},
        {"detail": "x"},
        {"seq": 9},
        {"previous": "0" * 64},
        {"digest": "0" * 64},
        {"at": trail[1].at + timedelta(microseconds=1)},
    ):
        altered = [trail[0], replace(trail[1], **change), trail[2]]
        assert verify_chain(altered, keyring) == 2, change
    assert verify_chain([trail[0], trail[2]], keyring) == 2


def test_who_has_the_database_but_no_key_cannot_alter_remove_or_cut_off(store: SqlStore, store_url: str) -> None:
    remark(store, "opened", "edited", "signed")
    tamper(store_url, "UPDATE audit SET actor = 'dr.huber' WHERE seq = 2")
    assert not intact(store)
    tamper(store_url, "UPDATE audit SET actor = 'dr.meier' WHERE seq = 2")
    assert intact(store)
    tamper(store_url, "DELETE FROM audit WHERE seq = 3")
    assert not intact(store)
    tamper(store_url, "UPDATE audit_head SET seq = 2, digest = (SELECT digest FROM audit WHERE seq = 2)")
    assert not intact(store)


def test_remarks_of_many_threads_form_one_chain(store: SqlStore) -> None:
    threads = [threading.Thread(target=remark, args=(store, f"a{number}", f"b{number}")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as transaction:
        check = transaction.check_audit()
    assert (check.entries, check.broken_at) == (16, None)


def test_remarks_of_a_failed_transaction_leave_no_gap(store: SqlStore) -> None:
    remark(store, "opened")
    with pytest.raises(ZeroDivisionError), store.begin() as transaction:
        transaction.audit("x", "never")
        transaction.audit_trail()
        _ = 1 / 0
    remark(store, "signed")
    with store.read() as transaction:
        assert [(entry.seq, entry.action) for entry in transaction.audit_trail()] == [(1, "opened"), (2, "signed")]
