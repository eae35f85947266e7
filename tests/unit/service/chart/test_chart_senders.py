"""Two HL7 v2 senders about one visit: what they contradict each other in is a conflict, not the later one's word."""

from itertools import permutations
from typing import Any

import pytest
from chart_inputs import PID, PV1, chart_of, chart_told, course, dose, obx, rt, value, values

from adapters.hl7.message import read_message
from service.model import Chart

DG1 = "DG1|1||C50.4^Mammakarzinom rechts^I10G||20260110|F"
OBR = "OBR|1|||LAB|||20260312073000"
HB = obx("718-7^Hb^LN", "9.3", kind="NM", unit="g/dl")
PTV = (rt("RT-VOLUME-NAME", "Mamma", sub="1.1"), rt("RT-VOLUME-DOSE", "50.4", kind="NM", sub="1.1", unit="Gy"))


def told_by(sender: str, *segments: str, at: str, kind: str = "ORU^R01") -> Any:
    """``sender``: MSH-3 and MSH-4."""
    head = f"MSH|^~\\&|{sender}|EPI|RT|{at}||{kind}|{sender[:2]}{at}|P|2.5.1"
    return read_message("\r".join([head, *segments, ""]).encode())


def conflicts(chart: Chart) -> dict[str, tuple[str, ...]]:
    return {each.handle: each.values for each in chart.conflicts}


FIRST = (PID, PV1, DG1, OBR, HB, rt("RT-FRACTIONS", "28", kind="NM"), *PTV)
OTHERS = {
    "patient.sex": (PID, PID.replace("|F", "|M"), ("male", "female")),
    "patient.birth_date": (PID, PID.replace("19610504", "19610505"), ("1961-05-05", "1961-05-04")),
    "patient.family": (PID, PID.replace("Muster", "Fremd"), ("Fremd", "Muster")),
    "visit.start": (PV1, PV1.replace("20260201", "20260202"), ("2026-02-02", "2026-02-01")),
    "diagnosis.1.side": (DG1, DG1.replace("rechts", "links"), ("left", "right")),
    "diagnosis.1.date": (DG1, DG1.replace("20260110", "20260111"), ("2026-01-11", "2026-01-10")),
    "lab.1.value": (HB, HB.replace("9.3", "12.1"), ("12.1", "9.3")),
    "course.1.fractions": ("|28|", "|27|", ("27", "28")),
    "course.1.volume.1.dose": ("|50.4|", "|54|", ("54", "50.4")),
}


@pytest.mark.parametrize("handle", OTHERS)
@pytest.mark.parametrize("kind", ["ORU^R01", "ADT^A08"])
def test_another_senders_other_value_is_a_conflict_and_the_later_stands(handle: str, kind: str) -> None:
    before, after, expected = OTHERS[handle]
    first = told_by("KIS|H", *FIRST, at="20260313", kind=kind)
    later = told_by("RV|RT", *(each.replace(before, after) for each in FIRST), at="20260314", kind=kind)

    for order in ((first, later), (later, first)):
        chart = chart_told(*order)

        assert conflicts(chart) == {handle: expected}
        assert value(chart, handle) == expected[0]
        (conflict,) = chart.conflicts
        assert [source.partition("#")[0] for source in conflict.sources] == ["RV20260314", "KI20260313"]
        assert any(each.startswith(f"{handle}: sources disagree") for each in chart.warnings)


@pytest.mark.parametrize("handle", OTHERS)
def test_one_senders_later_word_is_a_correction(handle: str) -> None:
    before, after, expected = OTHERS[handle]
    first = told_by("KIS|H", *FIRST, at="20260313")

    chart = chart_told(first, told_by("KIS|H", *(each.replace(before, after) for each in FIRST), at="20260314"))

    assert value(chart, handle) == expected[0]
    assert chart.conflicts == ()


def test_two_facilities_of_one_application_are_two_senders() -> None:
    one, other = (
        told_by("KIS|H", *FIRST, at="20260313"),
        told_by("KIS|X", *FIRST[:-1], PTV[1].replace("50.4", "54"), at="20260314"),
    )

    assert conflicts(chart_told(one, other)) == {"course.1.volume.1.dose": ("54", "50.4")}


def test_two_senders_who_agree_are_no_conflict() -> None:
    alone = chart_told(told_by("KIS|H", *FIRST, at="20260313"))

    chart = chart_told(told_by("KIS|H", *FIRST, at="20260313"), told_by("RV|RT", *FIRST, at="20260314"))

    assert values(chart) == values(alone)
    assert chart.conflicts == ()
    assert chart.warnings == alone.warnings


def test_a_sender_who_corrects_to_what_the_other_says_contradicts_it_no_more() -> None:
    wrong = told_by("KIS|H", *(each.replace("9.3", "12.1") for each in FIRST), at="20260312")
    right = told_by("KIS|H", *FIRST, at="20260314")
    other = told_by("RV|RT", *FIRST, at="20260313")

    for order in permutations((wrong, right, other)):
        assert chart_told(*order).conflicts == ()


def test_the_ehr_and_two_senders_are_one_conflict_of_three_values() -> None:
    ehr = course(extension=[dose("Mamma", 48.6)])
    days = (rt("RT-COURSE-START", "20260202", kind="DT"), rt("RT-COURSE-END", "20260312", kind="DT"))
    first = told_by("AA|H", PID, *days, PTV[0], PTV[1].replace("50.4", "50"), at="20260313")
    second = told_by("BB|H", PID, *days, *PTV, at="20260314")

    assert conflicts(chart_of(ehr, messages=(first, second))) == {"course.1.volume.1.dose": ("48.6", "50.4", "50")}
    same = chart_of(course(extension=[dose("Mamma", 50)]), messages=(first, second))
    assert conflicts(same) == {"course.1.volume.1.dose": ("50", "50.4")}


def test_a_diagnosis_that_another_senders_list_lacks_stays() -> None:
    first = told_by("KIS|H", PID, PV1, DG1, at="20260201", kind="ADT^A01")
    second = told_by("RV|RT", PID, PV1, "DG1|1||C61^Prostatakarzinom^I10G||20260110|F", at="20260202", kind="ADT^A08")

    for told in ((first, second), (second, first)):
        assert set(values(chart_told(*told), "diagnosis.").values()) >= {"C50.4", "C61"}


def test_an_allergy_against_no_known_allergy_is_a_conflict() -> None:
    allergic = told_by("KIS|H", PID, PV1, "AL1|1|DA|^Penicillin", at="20260201", kind="ADT^A01")
    denied = told_by("RV|RT", PID, PV1, "AL1|1|DA|^Keine Allergien bekannt", at="20260202", kind="ADT^A08")

    chart = chart_told(allergic, denied)

    assert len(values(chart, "allergy.")) == 2
    assert [set(each.sources) for each in chart.conflicts] == [{"KI20260201#AL1[1]-3[1].2", "RV20260202#AL1[1]-3[1].2"}]


def test_what_was_told_under_a_number_that_a_merge_ended_contradicts_nothing() -> None:
    unknown = PID.replace("4711", "0815").replace("Muster", "Unbekannt").replace("|F", "|M")
    early = told_by("LAB|H", unknown, OBR, HB, at="20260205")
    merge = told_by("KIS|H", PID, "MRG|0815^^^KIS^MR", at="20260210", kind="ADT^A40")

    chart = chart_told(early, merge, told_by("KIS|H", PID, PV1, at="20260313", kind="ADT^A03"))

    assert value(chart, "lab.1.value") == "9.3"
    assert chart.conflicts == ()


def test_two_labs_of_two_times_are_no_conflict() -> None:
    first = told_by("KIS|H", PID, OBR, HB, at="20260312")
    later = told_by("RV|RT", PID, OBR.replace("0312", "0313"), HB.replace("9.3", "12.1"), at="20260313")

    assert chart_told(first, later).conflicts == ()
