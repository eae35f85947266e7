"""``case``, ``queue``, ``audit``: what an operator sees and does, without a word about a patient."""

from dataclasses import replace

import pytest
from operator_desk import KEY, Operator, a_case, a_dead_step, epikrise, home, store

from adapters.store import SqlStore
from service.lifecycle import fail
from service.model import CaseState, Event
from service.pipeline import JOURNEY, QUEUES

__all__ = ["epikrise", "home", "store"]


def test_cases_are_listed_by_id_and_state_without_their_keys(epikrise: Operator, store: SqlStore) -> None:
    case = a_case(store)

    answer = epikrise("case", "list", "--json")

    assert answer.code == 0
    assert [(row["id"], row["state"]) for row in answer.data] == [(case.id, "open")]
    assert KEY.split("|")[1] not in answer.out + answer.err


def test_a_table_never_cuts_an_id_off(epikrise: Operator, store: SqlStore) -> None:
    case = a_case(store)

    assert case.id in epikrise("case", "list").out.split()


def test_a_case_tells_its_timeline_its_error_and_the_next_action(epikrise: Operator, store: SqlStore) -> None:
    case = a_case(store)
    step = a_dead_step(store, case)
    with store.begin() as tx:
        tx.save_case(fail(tx.case(case.id)))

    report = epikrise("case", "show", case.id, "--json").data

    assert report["state"] == "failed"
    assert "retry" in report["next"]
    assert [(row["id"], row["state"], row["error"]) for row in report["timeline"]] == [
        (step.id, "dead", "The model directory is missing")
    ]


def test_a_held_case_shows_the_notices_that_its_next_action_names(epikrise: Operator, store: SqlStore) -> None:
    case = a_case(store)
    epikrise("case", "hold", case.id)
    with store.begin() as tx:
        held = tx.case(case.id)
        tx.save_case(replace(held, notices=(*held.notices, "chart_has_no_diagnosis_and_no_course")))

    told = epikrise("case", "show", case.id).err

    assert "next: look at the notices" in told
    assert "notice: held by operator\n" in told
    assert "notice: The chart has neither a diagnosis nor a course of radiotherapy.\n" in told


@pytest.mark.parametrize("command", ["show", "retry", "hold", "release", "withdraw"])
def test_an_unknown_case_is_told_and_not_found(epikrise: Operator, store: SqlStore, command: str) -> None:
    answer = epikrise("case", command, "0" * 32)

    assert (answer.code, answer.out) == (2, "")
    assert "no such case" in answer.err


def test_hold_release_and_withdraw_change_the_state(epikrise: Operator, store: SqlStore) -> None:
    case = a_case(store)

    for command, state in (("hold", CaseState.HELD), ("release", CaseState.OPEN), ("withdraw", CaseState.WITHDRAWN)):
        assert epikrise("case", command, case.id, "--json").data["case"] == case.id
        with store.read() as tx:
            assert tx.case(case.id).state is state


@pytest.mark.parametrize("command", ["release", "retry"])
def test_what_the_state_forbids_ends_with_exit_1_and_the_reason(
    epikrise: Operator, store: SqlStore, command: str
) -> None:
    answer = epikrise("case", command, a_case(store).id)

    assert answer.code == 1
    assert answer.err.startswith("epikrise: ")


def test_retry_replays_the_dead_steps_of_the_case(epikrise: Operator, store: SqlStore) -> None:
    case = a_case(store)
    a_dead_step(store, case)

    assert epikrise("case", "retry", case.id).code == 0
    with store.read() as tx:
        assert [step.state.value for step in tx.steps_of(case.id)] == ["waiting"]


def test_a_state_that_does_not_exist_is_answered_with_those_that_do(epikrise: Operator) -> None:
    answer = epikrise("case", "list", "--state", "asleep")

    assert answer.code == 2
    assert "in_inbox" in answer.err


def test_the_queue_has_a_row_for_every_stage_even_when_nothing_ever_came(epikrise: Operator, store: SqlStore) -> None:
    rows = epikrise("queue", "status", "--json").data

    assert [row["stage"] for row in rows] == [stage.name for stage in JOURNEY]
    assert {row["oldest_age_seconds"] for row in rows} == {None}


def test_dead_steps_are_counted_listed_and_replayed(epikrise: Operator, store: SqlStore) -> None:
    step = a_dead_step(store, a_case(store))

    by_stage = {row["stage"]: row for row in epikrise("queue", "status", "--json").data}
    assert by_stage["write"]["dead"] == 1
    assert [row["id"] for row in epikrise("queue", "dead", "--json").data] == [step.id]
    assert epikrise("queue", "replay", "--json").data == {"replayed": [step.id]}
    assert epikrise("queue", "dead", "--json").data == []


def test_replaying_an_unknown_step_is_not_found(epikrise: Operator, store: SqlStore) -> None:
    assert epikrise("queue", "replay", "0" * 32).code == 2


def test_a_paused_queue_says_so_until_it_is_resumed(epikrise: Operator, store: SqlStore) -> None:
    assert epikrise("queue", "pause", "write", "--json").data == {"queue": "write", "paused": True}
    with store.read() as tx:
        assert tx.paused_queues() == ["write"]
    epikrise("queue", "resume", "write")
    with store.read() as tx:
        assert tx.paused_queues() == []


def test_a_queue_that_does_not_exist_is_answered_with_those_that_do(epikrise: Operator) -> None:
    answer = epikrise("queue", "pause", "letters")

    assert answer.code == 2
    assert all(queue in answer.err for queue in QUEUES)


def test_the_audit_trail_is_verified_and_exported_with_its_chain(epikrise: Operator, store: SqlStore) -> None:
    case = a_case(store)
    epikrise("case", "hold", case.id)
    epikrise("case", "release", case.id)

    rows = epikrise("audit", "export", "--json").data
    assert epikrise("audit", "verify", "--json").data == {"intact": True, "entries": len(rows), "broken_at": None}
    assert {"held", "released"} <= {row["action"] for row in rows}
    assert [row["previous"] for row in rows[1:]] == [row["digest"] for row in rows[:-1]]


def test_a_changed_entry_of_the_trail_ends_with_exit_1_and_its_number(epikrise: Operator, store: SqlStore) -> None:
    import sqlite3

    from service.config import load_settings

    epikrise("case", "hold", a_case(store).id)
    with sqlite3.connect(load_settings().home / "epikrise.db") as database:
        database.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 1")

    answer = epikrise("audit", "verify", "--json")
    assert (answer.code, answer.data["intact"], answer.data["broken_at"]) == (1, False, 1)
    assert {row["check"]: row["state"] for row in epikrise("doctor", "--json").data}["store"] == "failed"


def test_a_draft_is_begun_for_who_asks_and_the_trail_says_for_whom(epikrise: Operator, store: SqlStore) -> None:
    case = a_case(store)

    begun = epikrise("case", "draft", case.id, "--actor", "Dr. Muster", "--letter", "end_of_radiotherapy", "--json")
    again = epikrise("case", "draft", case.id, "--actor", "Dr. Muster", "--json")

    assert begun.data == {"case": case.id, "done": "draft begun"}
    assert again.data == {"case": case.id, "done": "nothing to begin: the case is discharged"}
    started = epikrise("case", "show", case.id, "--json").data["start"]
    assert (started["trigger"], started["letter"]) == ("request", "end_of_radiotherapy")
    rows = epikrise("audit", "export", "--json").data
    asked = [(row["actor"], row["detail"]) for row in rows if row["action"] == "draft_requested"]
    assert asked == [("Dr. Muster", "end_of_radiotherapy")]


def test_a_draft_is_asked_for_by_the_control_id_of_one_of_its_messages(epikrise: Operator, store: SqlStore) -> None:
    case = a_case(store)
    with store.begin() as tx:
        id_, _ = tx.add_message(channel="mllp", sender="KIS|", control_id="4711", body=b"MSH|^~\\&|", ack_code="AA")
        tx.file_message(id_, case_id=case.id, event=Event.ADMIT, event_time="", state="understood")

    assert epikrise("case", "draft", "--control-id", "4711", "--actor", "Dr. M", "--json").data["case"] == case.id
    assert epikrise("case", "draft", "--control-id", "4712", "--actor", "Dr. M").code == 2
    assert epikrise("case", "draft", "--actor", "Dr. M").code == 2
    assert epikrise("case", "draft", case.id, "--control-id", "4711", "--actor", "Dr. M").code == 2
