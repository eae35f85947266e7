import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from store_fixtures import Clock

from adapters.store import SqlStore
from service.errors import Conflict, NotFound
from service.model import Case, CaseState, DeliveryState, Signature

KEY = "KLINIK|4711-2026"


def a_case(store: SqlStore, key: str = KEY) -> Case:
    with store.begin() as transaction:
        return transaction.add_case(key, lang="de")


def test_a_case_is_found_by_its_key(store: SqlStore) -> None:
    case = a_case(store)
    with store.begin() as transaction:
        assert transaction.case_by_key(KEY) == case == transaction.case(case.id)
        assert transaction.case_by_key("KLINIK|4712-2026") is None


def test_everything_of_a_case_survives_saving(store: SqlStore, clock: Clock) -> None:
    changed = replace(
        a_case(store),
        state=CaseState.HELD,
        delivery=DeliveryState.AMBIGUOUS,
        generation=3,
        lang="en",
        withdrawn_by="physician",
        held_from=CaseState.DRAFTED,
        notices=("update_after_signature", "merged"),
    )
    clock.advance(minutes=5)
    with store.begin() as transaction:
        saved = transaction.save_case(changed)
    assert saved == replace(changed, version=changed.version + 1, updated_at=clock.now)
    with store.begin() as transaction:
        assert transaction.case(changed.id) == saved


def test_saving_what_somebody_else_changed_is_a_conflict(store: SqlStore) -> None:
    case = a_case(store)
    with store.begin() as transaction:
        transaction.save_case(replace(case, state=CaseState.DISCHARGED))
    with pytest.raises(Conflict), store.begin() as transaction:
        transaction.save_case(replace(case, state=CaseState.WITHDRAWN))
    with store.begin() as transaction:
        assert transaction.case(case.id).state is CaseState.DISCHARGED


def test_one_visit_has_one_case(store: SqlStore) -> None:
    a_case(store)
    with pytest.raises(Conflict):
        a_case(store)


def test_a_case_that_changes_its_visit_is_found_by_the_new_key_only(store: SqlStore) -> None:
    case, other = a_case(store), a_case(store, "KLINIK|9")
    with store.begin() as transaction:
        transaction.save_case(replace(case, key="KLINIK|5000"))
    with store.begin() as transaction:
        found = transaction.case_by_key("KLINIK|5000")
        assert found is not None
        assert found.id == case.id
        assert transaction.case_by_key(KEY) is None
    with pytest.raises(Conflict), store.begin() as transaction:
        transaction.save_case(replace(other, key="KLINIK|5000"))


def test_a_case_read_in_a_transaction_cannot_change_under_it(store: SqlStore) -> None:
    case = a_case(store)
    entered, order = threading.Event(), []

    def interfere() -> None:
        entered.wait()
        with store.begin() as transaction:
            transaction.save_case(replace(transaction.case(case.id), state=CaseState.WITHDRAWN))
            order.append("other")

    other = threading.Thread(target=interfere)
    other.start()
    with store.begin() as transaction:
        read = transaction.case(case.id)
        entered.set()
        other.join(timeout=0.3)  # it can only wait for us
        transaction.save_case(replace(read, state=CaseState.DISCHARGED))
        order.append("first")
    other.join()
    assert order == ["first", "other"]


def test_cases_are_listed_by_state_newest_change_first(store: SqlStore, clock: Clock) -> None:
    made = []
    for number in range(4):
        clock.advance(minutes=1)
        made.append(a_case(store, f"KLINIK|{number}"))
    clock.advance(minutes=1)
    with store.begin() as transaction:
        transaction.save_case(replace(made[0], state=CaseState.HELD))
    with store.read() as transaction:
        assert [case.key for case in transaction.cases(limit=2)] == ["KLINIK|0", "KLINIK|3"]
        assert [case.key for case in transaction.cases(states=[CaseState.OPEN])] == [
            "KLINIK|3",
            "KLINIK|2",
            "KLINIK|1",
        ]


def test_the_newest_payload_of_the_highest_generation_wins(store: SqlStore) -> None:
    case = a_case(store)
    with store.begin() as transaction:
        for generation, text in ((1, "a"), (2, "b"), (2, "c"), (1, "d")):
            transaction.put("draft", case.id, generation, {"text": text, "umlaut": "Ä", "lone": "\udc80"})
        newest, former = transaction.get("draft", case.id), transaction.get("draft", case.id, 1)
        assert newest == {"text": "c", "umlaut": "Ä", "lone": "\udc80"}
        assert former is not None
        assert former["text"] == "d"
        assert transaction.get("draft", case.id, 7) is None
        assert transaction.get("chart", case.id) is None


def test_a_payload_of_no_case_is_refused(store: SqlStore) -> None:
    with pytest.raises(NotFound), store.begin() as transaction:
        transaction.put("draft", "0" * 32, 1, {})
    with pytest.raises(NotFound), store.begin() as transaction:
        transaction.add_step("write", "write", case_id="0" * 32)
    with pytest.raises(NotFound), store.begin() as transaction:
        transaction.case("0" * 32)


def a_signature(case: Case, *, signer: str = "dr.meier") -> Signature:
    berlin = timezone(timedelta(hours=1))
    return Signature(
        case_id=case.id,
        generation=1,
        revision=4,
        signer=signer,
        signed_at=datetime(2026, 3, 12, 10, 0, tzinfo=berlin),
        digest="ab" * 32,
    )


def test_a_case_is_signed_once(store: SqlStore) -> None:
    case = a_case(store)
    with store.begin() as transaction:
        assert transaction.signature(case.id) is None
        transaction.add_signature(a_signature(case))
    with pytest.raises(Conflict), store.begin() as transaction:
        transaction.add_signature(a_signature(case, signer="dr.huber"))
    with store.begin() as transaction:
        signed = transaction.signature(case.id)
    assert signed == a_signature(case)
    assert signed.signed_at.tzinfo is UTC
