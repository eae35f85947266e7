"""The rules of what starts a letter: first match, nothing on trial, the same answer for the same question."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7.message import read_message
from service.model import Ack, AckError, Event, Fields, LetterKind, Reading, Trigger
from service.occasion import fhir_occasion, hl7_occasion
from service.starting import BY_DEFAULT, Occasion, Rule, decide, decide_request

AMBULATORY = (
    Rule(name="course", departments=("RT*",), exclude=("RT-ST*",), trigger=Trigger.COURSE_END),
    Rule(name="visit", departments=("RT-NACHS*",), trigger=Trigger.FOLLOW_UP),
    Rule(name="off", departments=("RT*",), exclude=("RT-ST*",), trigger=None),
    Rule(name="rest", trigger=Trigger.DISCHARGE),
)
COMPLETED = Occasion(course_completed=True)


def a_reading(event: Event, department: str = "", patient_class: str = "I", type: str = "ADT^A03") -> Reading:
    return Reading(
        control_id="1",
        type=type,
        event=event,
        case_key="KIS|F1",
        event_time="",
        fields=Fields(),
        starts_letter=False,
        ack=Ack(mode="original", code="AA"),
        department=department,
        patient_class=patient_class,
    )


@pytest.mark.parametrize("event", list(Event))
def test_without_rules_each_discharge_and_nothing_else_starts_a_letter(event: Event) -> None:
    start = decide(BY_DEFAULT, a_reading(event)).start
    assert (start is not None) == (event is Event.DISCHARGE)


def test_the_first_rule_that_fits_decides_and_says_so() -> None:
    decision = decide(AMBULATORY, a_reading(Event.RESULT, "RT-AMB", "O"), COMPLETED)
    assert decision.start is not None
    assert (decision.rule, decision.start.trigger) == ("course", Trigger.COURSE_END)
    assert decision.start.letter is LetterKind.END_OF_RADIOTHERAPY
    assert "course" in decision.reason


def test_a_department_that_is_switched_off_starts_nothing_though_a_later_rule_would() -> None:
    decision = decide(AMBULATORY, a_reading(Event.DISCHARGE, "rt-amb", "O"))
    assert (decision.start, decision.rule) == (None, "off")


def test_an_excluded_department_falls_to_the_next_rule() -> None:
    start = decide(AMBULATORY, a_reading(Event.DISCHARGE, "RT-ST1")).start
    assert start is not None
    assert start.rule == "rest"


@pytest.mark.parametrize(
    ("event", "at", "patient_class", "fires"),
    [
        (Event.DISCHARGE, "end", "O", True),
        (Event.DISCHARGE, "end", "AMB", True),
        (Event.DISCHARGE, "end", "I", False),
        (Event.ADMIT, "end", "O", False),
        (Event.ADMIT, "start", "O", True),
        (Event.ADMIT, "start", "I", False),
        (Event.UPDATE, "start", "O", False),
    ],
)
def test_a_follow_up_is_an_ambulatory_visit_at_the_end_that_the_rule_names(
    event: Event, at: Any, patient_class: str, fires: bool
) -> None:
    rule = Rule(name="visit", trigger=Trigger.FOLLOW_UP, at=at)
    assert (decide([rule], a_reading(event, "X", patient_class, "ADT^A04")).start is not None) == fires


def test_an_announced_visit_has_not_begun() -> None:
    rule = Rule(name="visit", trigger=Trigger.FOLLOW_UP, at="start")
    assert decide([rule], a_reading(Event.ADMIT, "X", "O", "ADT^A05")).start is None


def test_what_a_message_does_not_say_is_taken_from_its_visit() -> None:
    told = replace(COMPLETED, department="RT-AMB", patient_class="O")
    assert decide(AMBULATORY, a_reading(Event.RESULT, "", ""), told).rule == "course"
    assert decide(AMBULATORY, a_reading(Event.RESULT, "", ""), COMPLETED).rule == ""


def test_a_message_that_names_no_visit_starts_nothing_and_says_so() -> None:
    decision = decide(AMBULATORY, replace(a_reading(Event.RESULT, "RT-AMB", "O"), case_key=None), COMPLETED)
    assert (decision.start, decision.reason) == (None, "the message names no visit")


def test_a_refused_message_starts_nothing() -> None:
    refused = Ack(mode="original", code="AE", error=AckError(code="101", location="PID-3", text="missing"))
    assert decide(BY_DEFAULT, replace(a_reading(Event.DISCHARGE), ack=refused)).start is None


# ---------------------------------------------------------------- for all rules and messages

PATTERNS = st.sampled_from(["*", "RT*", "rt-amb", "RT-?", "[A-M]*", "ONK"])
RULES = st.lists(
    st.builds(
        Rule,
        name=st.sampled_from(["a", "b", "c", "d"]),
        trigger=st.sampled_from([None, *Trigger]),
        departments=st.lists(PATTERNS, min_size=1, max_size=2).map(tuple),
        exclude=st.lists(PATTERNS, max_size=1).map(tuple),
        classes=st.lists(st.sampled_from(["I", "O", "AMB", "E"]), max_size=2).map(tuple),
        at=st.sampled_from(["start", "end"]),
    ),
    max_size=6,
)
READINGS = st.builds(
    a_reading,
    st.sampled_from(Event),
    st.sampled_from(["", "RT-AMB", "RT-1", "ONK", "CHI"]),
    st.sampled_from(["", "I", "O", "AMB", "IMP", "R"]),
    st.sampled_from(["ADT^A03", "ADT^A05", "ORU^R01", "Encounter"]),
)
OCCASIONS = st.builds(Occasion, on_trial=st.booleans(), course_completed=st.booleans())


@given(RULES, READINGS, OCCASIONS)
def test_what_is_on_trial_never_starts_a_letter(rules: list[Rule], reading: Reading, occasion: Occasion) -> None:
    assert decide(rules, reading, replace(occasion, on_trial=True)).start is None


@given(RULES, READINGS, OCCASIONS)
def test_the_decision_is_that_of_the_first_rule_which_alone_would_decide(
    rules: list[Rule], reading: Reading, occasion: Occasion
) -> None:
    alone = [decided for rule in rules if (decided := decide([rule], reading, occasion)).rule]
    together = decide(rules, reading, occasion)
    assert together == (alone[0] if alone else replace(together, start=None, rule=""))
    assert not (alone and together.is_unmatched)


@given(RULES, READINGS, OCCASIONS)
def test_rules_after_the_one_that_decides_change_nothing(
    rules: list[Rule], reading: Reading, occasion: Occasion
) -> None:
    decided = decide(rules, reading, occasion)
    if decided.rule:
        assert decide([*rules, Rule(name="last", trigger=None)], reading, occasion) == decided


@given(RULES, st.sampled_from(["RT-AMB", "ONK"]), st.sampled_from([None, *LetterKind]))
def test_a_physician_is_refused_only_where_the_department_is_switched_off(
    rules: Sequence[Rule], department: str, letter: LetterKind | None
) -> None:
    decision = decide_request(rules, department, "O", letter)
    if decision.start is None:
        assert any(rule.trigger is None and rule.name == decision.rule for rule in rules)
    else:
        assert decision.start.trigger is Trigger.REQUEST
        assert letter in (None, decision.start.letter)


# ---------------------------------------------------------------- what messages bring


def an_oru(status: str, processing: str = "P", code: str = "RT-COURSE-STATUS") -> bytes:
    return (
        f"MSH|^~\\&|RVS|RT|||20260301||ORU^R01|1|{processing}|2.5\rPID|1||P1^^^KIS^MR\rOBR|1|||RT\r"
        f"OBX|1|CE|{code}^^99RT|1|{status}||||||F\rOBX|2|NM|RT-FRACTIONS^^99RT|1|28||||||F\r"
    ).encode()


@pytest.mark.parametrize(
    ("status", "completed"),
    [("completed", True), ("abgeschlossen", True), ("laufend", False), ("abgebrochen", False), ("", False)],
)
def test_a_course_is_over_when_the_record_and_verify_system_says_so_in_the_mappings_words(
    status: str, completed: bool
) -> None:
    assert hl7_occasion(read_message(an_oru(status))).course_completed is completed


def test_the_word_alone_in_a_laboratorys_result_ends_no_course() -> None:
    assert not hl7_occasion(read_message(an_oru("completed", code="LAB-STATUS"))).course_completed


@pytest.mark.parametrize("processing", ["T", "D", "T^A"])
def test_a_message_that_is_not_of_production_is_on_trial(processing: str) -> None:
    assert hl7_occasion(read_message(an_oru("completed", processing))).on_trial


def test_a_procedure_ends_the_course_of_the_visit_that_it_names() -> None:
    encounter = {"resourceType": "Encounter", "id": "e1"}
    course: dict[str, Any] = {
        "resourceType": "Procedure",
        "status": "completed",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "1217123003"}]},
    }
    other = course | {"encounter": {"reference": "Encounter/e2"}}
    assert fhir_occasion(encounter, [course]).course_completed
    assert not fhir_occasion(encounter, [other]).course_completed
    assert not fhir_occasion(encounter, [course | {"status": "in-progress"}]).course_completed
    labelled = encounter | {"meta": {"security": [{"code": "HTEST"}]}}
    assert fhir_occasion(labelled, []).on_trial
