"""DG1, PR1, AL1, IAM and PRB: whole lists replace, single rows with an action code change; in any order of arrival."""

import pytest
from chart_inputs import DISCHARGED, PID, PV1, chart_told, message, source, value

from service.model import Chart
from service.ports import Message


def codes(chart: Chart) -> list[str]:
    return [fact.value for fact in chart.facts if fact.handle.endswith(".icd10")]


def dg1(number: int, code: str, text: str = "x", *, identifier: str = "", action: str = "", date: str = "") -> str:
    """DG1-3 code, DG1-4 text, DG1-5 date, DG1-6 final, DG1-20 identifier, DG1-21 action."""
    return f"DG1|{number}||{code}^^I10G|{text}|{date}|F{'|' * 14}{identifier}|{action}"


def bar(*segments: str, at: str, control: str, kind: str = "BAR^P12") -> Message:
    return message("EVN||" + at, PID, PV1, *segments, kind=kind, at=at, control=control)


ADMITTED = bar(
    dg1(1, "C50.4", "Mammakarzinom", identifier="D1", date="20251103"),
    dg1(2, "I10.00", "Hypertonie", identifier="D2"),
    kind="ADT^A01",
    at="20260201",
    control="A",
)


def test_a_snapshot_replaces_the_list() -> None:
    later = bar(dg1(1, "C50.4", identifier="D1"), kind="BAR^P01", at="20260202", control="B")

    assert codes(chart_told(later, ADMITTED)) == ["C50.4"]


@pytest.mark.parametrize(
    ("row", "left"),
    [
        (dg1(1, "E11.90", identifier="D3", action="A"), ["C50.4", "I10.00", "E11.90"]),
        (dg1(1, "C50.1", identifier="D1", action="U"), ["C50.1", "I10.00"]),
        (dg1(1, "", "", identifier="D2", action="D"), ["C50.4"]),
        (dg1(1, "I10.00", action="D"), ["C50.4"]),
        (dg1(1, "I10.00", identifier="D9", action="D"), ["C50.4", "I10.00"]),
        (dg1(1, "E11.90", identifier="D3"), ["C50.4", "I10.00", "E11.90"]),
        (dg1(1, "I10.00", identifier="D2", action="X"), ["C50.4", "I10.00"]),
    ],
)
def test_a_row_with_an_action_code_changes_one_diagnosis_and_leaves_the_others(row: str, left: list[str]) -> None:
    change = bar(row, at="20260202", control="B")

    assert codes(chart_told(ADMITTED, change)) == codes(chart_told(change, ADMITTED)) == left


def test_a_changed_row_keeps_what_it_leaves_empty_with_its_own_source() -> None:
    changed = bar(dg1(1, "C50.1", "", identifier="D1", action="U"), at="20260202", control="B")

    chart = chart_told(ADMITTED, changed)

    assert value(chart, "diagnosis.1.icd10") == "C50.1"
    assert source(chart, "diagnosis.1.icd10") == "B#DG1[1]-3[1].1"
    assert value(chart, "diagnosis.1.name") == "Mammakarzinom"
    assert source(chart, "diagnosis.1.name") == "A#DG1[1]-4[1]"
    assert source(chart, "diagnosis.1.date") == "A#DG1[1]-5[1]"


def test_what_is_added_after_it_was_deleted_is_there_again() -> None:
    gone = bar(dg1(1, "I10.00", identifier="D2", action="D"), at="20260202", control="B")
    again = bar(dg1(1, "I10.00", "Hypertonie", identifier="D2", action="A"), at="20260203", control="C")

    assert codes(chart_told(again, ADMITTED, gone)) == ["C50.4", "I10.00"]


def test_two_quotation_marks_empty_the_list() -> None:
    emptied = bar('DG1|1||""', kind="ADT^A08", at="20260202", control="B")

    assert codes(chart_told(ADMITTED, emptied)) == []


def test_the_diagnosis_on_an_order_is_not_the_patients_list() -> None:
    order = bar("ORC|NW|1", dg1(1, "R52.2"), kind="ORM^O01", at="20260205", control="O")

    assert codes(chart_told(ADMITTED, order)) == ["C50.4", "I10.00"]
    assert codes(chart_told(order)) == ["R52.2"]


def test_procedures_are_changed_by_their_identifier() -> None:
    def pr1(code: str, text: str, identifier: str, action: str = "") -> str:
        return f"PR1|1||{code}^{text}^OPS||20251203{'|' * 14}{identifier}|{action}"

    told = bar(
        pr1("5-870.a1", "Segmentresektion", "P1"),
        pr1("5-401.11", "SLNB", "P2"),
        kind="BAR^P05",
        at="20260201",
        control="A",
    )
    changed = bar(pr1("5-872.1", "Mastektomie", "P1", "U"), pr1("5-401.11", "", "P2", "D"), at="20260202", control="B")
    fraction = bar(pr1("8-522.d1", "Hochvoltstrahlentherapie", "P3", "A"), at="20260203", control="C")

    chart = chart_told(fraction, changed, told)

    assert value(chart, "procedure.1.name") == "Mastektomie"
    assert value(chart, "procedure.2.name") is None


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_problems_are_diagnoses_behind_the_stays_own(order: tuple[int, ...]) -> None:
    problems = [
        message(PID, "PRB|AD|20260101|C34.1^Bronchialkarzinom^I10G|B1", kind="PPR^PC1", at="20260101", control="A"),
        message(
            PID, PV1, "PRB|UP|20260102|C34.1^Lungenkrebs^I10G|B1" + "|" * 11 + "|20240501",
            kind="PPR^PC2", at="20260102", control="B",
        ),
        message(PID, "PRB|AD|20260101|E03.9^Hypothyreose^I10G|B2", kind="PPR^PC1", at="20260103", control="C"),
    ]  # fmt: skip
    deleted = message(PID, "PRB|DE|20260104|E03.9^^I10G|B2", kind="PPR^PC3", at="20260104", control="D")

    chart = chart_told(*(problems[place] for place in order), ADMITTED)

    assert codes(chart) == ["C50.4", "C34.1", "I10.00", "E03.9"]
    assert value(chart, "diagnosis.2.name") == "Lungenkrebs"
    assert value(chart, "diagnosis.2.date") == "2024-05-01"
    assert codes(chart_told(deleted, *problems, ADMITTED)) == ["C50.4", "C34.1", "I10.00"]


def test_allergies_are_added_and_deleted_by_iam() -> None:
    told = message(PID, DISCHARGED, "AL1|1|DA|^Penicillin", at="20260201", control="A")
    more = message(
        PID, "IAM|1|DA|^Latex|||A|I1", "IAM|2|DA|^Penicillin|||D|I2", kind="ADT^A60", at="20260202", control="B"
    )

    assert [fact.value for fact in chart_told(more, told).facts if fact.handle.startswith("allergy")] == ["Latex"]


def test_a_list_that_was_emptied_stays_empty_whatever_an_order_is_about() -> None:
    emptied = bar('DG1|1||""', kind="ADT^A08", at="20260202", control="B")
    order = bar(dg1(1, "C61"), kind="ORM^O01", at="20260203", control="C")

    assert codes(chart_told(ADMITTED, emptied, order)) == []
