"""What happened later stands, whatever came first; and what merges and changes of visit make one."""

import random
from itertools import permutations

import pytest
from chart_inputs import DISCHARGED, PID, PV1, chart_told, message, obx, source, value, values
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.hl7.message import read_message
from service.chart import build_chart, chart_payload
from workers.training.synthetic import generate_case

CASES = [[read_message(body) for body in generate_case(seed, lang="de").messages] for seed in range(8)]
HB = obx("718-7^Hb^LN", "10.2", kind="NM", unit="g/dl")


def evn(*, recorded: str = "", occurred: str = "") -> str:
    return f"EVN||{recorded}||||{occurred}"


def test_the_event_decides_and_not_when_it_was_written() -> None:
    married = message(
        evn(recorded="20260301", occurred="20260201"), PID.replace("Muster", "Frueher"), at="20260310", control="A"
    )
    now = message(evn(recorded="20260302"), PID.replace("Muster", "Heute"), at="20260302", control="B")

    assert value(chart_told(married, now), "patient.family") == "Heute"


def test_of_one_event_the_message_written_later_stands_and_of_one_second_the_sequence_number() -> None:
    first, second = (
        message("OBR|1|||LAB|||20260312073000", HB.replace("10.2", figure), kind="ORU^R01", at=at, control=control)
        for figure, at, control in (("10.2", "20260312080000.100", "A"), ("9.1", "20260312080000.200", "B"))
    )
    assert value(chart_told(second, first), "lab.1.value") == "9.1"

    head = "MSH|^~\\&|KIS|H|EPI|RT|20260301||ADT^A08|{}|P|2.5.1|{}"
    tenth, ninth = (
        read_message(f"{head.format(control, number)}\r{PID.replace('Muster', family)}".encode())
        for control, number, family in (("X", 10, "Zehn"), ("Y", 9, "Neun"))
    )
    assert value(chart_told(tenth, ninth), "patient.family") == "Zehn"


@pytest.mark.parametrize("deleting", [False, True])
def test_a_message_without_a_time_stays_behind_the_one_that_it_came_after(deleting: bool) -> None:
    first = message(PID, at="20260201", control="A")
    untimed = message('PID|1||4711^^^KIS^MR||Muster^Erika||""' if deleting else PID, at="", control="B")
    last = message("PID|1||4711^^^KIS^MR||Neu^Erika", at="20260203", control="C")

    chart = chart_told(first, untimed, last)

    assert value(chart, "patient.family") == "Neu"
    assert value(chart, "patient.birth_date") == (None if deleting else "1961-05-04")


@settings(max_examples=40, deadline=None)
@given(case=st.sampled_from(CASES), seed=st.integers(0, 2**32))
def test_any_order_of_arrival_and_any_repetition_give_the_same_chart(case: list[object], seed: int) -> None:
    rng = random.Random(seed)
    arrived = [*case, *rng.choices(case, k=rng.randint(0, 3))]
    rng.shuffle(arrived)

    assert chart_payload(build_chart(arrived, [])) == chart_payload(build_chart(case, []))  # type: ignore[arg-type]


CHANGES = (
    message(evn(recorded="20260201"), PID, PV1, "DG1|1||C50.4^Mamma^I10G", kind="ADT^A01", at="20260201", control="1"),
    message("SCH|P1|T1", "AIS|1||N^Nachsorge|20260420", PID, PV1, kind="SIU^S12", at="20260301", control="2"),
    message("SCH|P1|T1", "AIS|1||N^Nachsorge|20260427", PID, PV1, kind="SIU^S13", at="20260302", control="3"),
    message("OBR|1|||L|||20260303", HB, PID, kind="ORU^R01", at="20260303", control="4"),
    message("OBR|1|||L|||20260303", HB.replace("|F", "|W"), PID, kind="ORU^R01", at="20260304", control="5"),
    message(evn(recorded="20260313"), PID, DISCHARGED, kind="ADT^A03", at="20260313", control="6"),
)


def test_every_order_of_bookings_corrections_and_the_stay_gives_the_same_chart() -> None:
    told = {str(chart_payload(chart_told(*order))) for order in list(permutations(CHANGES))[::7]}

    assert len(told) == 1
    chart = chart_told(*CHANGES)
    assert value(chart, "appointment.1.date") == "2026-04-27"
    assert value(chart, "lab.1.value") is None


# ---------------------------------------------------------------- merges and changes of visit

FORMER = PID.replace("4711", "0815").replace("Muster", "Unbekannt")


@pytest.mark.parametrize("trigger", ["A18", "A34", "A40", "A47"])
def test_what_was_told_under_a_former_patient_number_belongs_to_the_patient(trigger: str) -> None:
    result = message(FORMER, HB, kind="ORU^R01", at="20260205", control="R")
    merge = message(
        evn(recorded="20260210"), PID, "MRG|0815^^^KIS^MR", kind=f"ADT^{trigger}", at="20260210", control="M"
    )
    stay = message(PID, DISCHARGED, at="20260313", control="S")
    stranger = message(PID.replace("4711", "999"), HB.replace("10.2", "7"), kind="ORU^R01", at="20260206", control="X")

    for order in permutations((result, merge, stay, stranger)):
        chart = chart_told(*order)
        assert value(chart, "lab.1.value") == "10.2"
        assert source(chart, "lab.1.value") == "R#OBX[1]-5[1]"
        assert (value(chart, "patient.id"), value(chart, "patient.family")) == ("4711", "Muster")
        assert chart.warnings == ("X: message of another visit or patient, left out",)


def test_merges_chain() -> None:
    chart = chart_told(
        message(PID.replace("4711", "1"), HB, kind="ORU^R01", at="20260201", control="R"),
        message(PID.replace("4711", "2"), "MRG|1", kind="ADT^A40", at="20260202", control="M"),
        message(PID, "MRG|2", kind="ADT^A40", at="20260203", control="N"),
        message(PID, DISCHARGED, at="20260313", control="S"),
    )

    assert value(chart, "lab.1.value") == "10.2"
    assert chart.warnings == ()


def test_what_comes_late_under_a_former_number_does_not_rename_the_patient() -> None:
    late = message(FORMER, HB, kind="ORU^R01", at="20260301", control="R")
    merge = message(PID, "MRG|0815^^^KIS^MR", kind="ADT^A40", at="20260210", control="M")

    chart = chart_told(late, merge, message(PID, DISCHARGED, at="20260201", control="S"))

    assert (value(chart, "patient.id"), value(chart, "patient.family")) == ("4711", "Muster")
    assert value(chart, "lab.1.value") == "10.2"


@pytest.mark.parametrize(
    ("trigger", "mrg", "pv1", "pid"),
    [
        ("A50", "MRG|4711||||F0^^^KIS^VN", PV1, PID),
        ("A42", "MRG|4711||||F0", PV1, PID),
        ("A45", "MRG|4711||||F0", PV1, PID),
        ("A35", "MRG|4711||F0", "", PID + "|" * 10 + "F1"),
    ],
)
@pytest.mark.parametrize("asked", ["KIS|F0", "KIS|F1", None])
def test_a_visit_keeps_what_was_told_under_its_former_number(
    trigger: str, mrg: str, pv1: str, pid: str, asked: str | None
) -> None:
    before = message(
        PID, PV1.replace("F1^", "F0^"), "DG1|1||C50.4^Mamma^I10G", kind="ADT^A01", at="20260201", control="A"
    )
    change = message(*(each for each in (pid, mrg, pv1) if each), kind=f"ADT^{trigger}", at="20260202", control="B")
    after = message(PID, DISCHARGED, at="20260313", control="C")
    late = message(PID, PV1.replace("F1^", "F0^"), kind="ADT^A08", at="20260314", control="D")
    other = message(
        PID, PV1.replace("F1^", "F7^"), "DG1|1||C61^Prostata^I10G", kind="ADT^A01", at="20260101", control="X"
    )

    for order in permutations((before, change, after, late, other)):
        chart = build_chart(order, [], visit_key=asked)
        assert value(chart, "diagnosis.1.icd10") == "C50.4"
        assert value(chart, "visit.number") == "F1"
        assert value(chart, "visit.end") == "2026-03-13"
        assert chart.warnings == ("X: message of another visit or patient, left out",)


def test_a_visit_moved_to_another_patient_takes_nothing_of_the_former_ones_person_along() -> None:
    wrong = "PID|1||999^^^KIS^MR||Fremd^Frida||19300101|F"
    right = "PID|1||4711^^^KIS^MR||Muster^Erika"
    chart = chart_told(
        message(wrong, PV1, "DG1|1||C50.4^Mamma^I10G", kind="ADT^A01", at="20260201", control="A"),
        message(wrong, HB, kind="ORU^R01", at="20260202", control="B"),
        message(right, "MRG|999^^^KIS^MR||||F1^^^KIS^VN", PV1, kind="ADT^A45", at="20260203", control="C"),
        message(right, DISCHARGED, at="20260313", control="D"),
    )

    assert values(chart, "patient.") == {
        "patient.name": "Erika Muster",
        "patient.family": "Muster",
        "patient.given": "Erika",
        "patient.id": "4711",
    }
    assert value(chart, "diagnosis.1.icd10") == "C50.4"
    assert value(chart, "lab.1.value") is None
    assert chart.warnings == ("B: message of another visit or patient, left out",)


# ---------------------------------------------------------------- movements


def moved(number: str, start: str, ward: str, *, action: str = "INSERT", past: str = "", at: str) -> object:
    pv1 = PV1.replace("Station 4", ward)
    return message(
        PID, pv1, f"ZBE|{number}^KIS|{start}||{action}|{past}", kind="ADT^A02", at=at, control=f"Z{number}{at}"
    )


MOVES = (
    moved("1", "20260201090000", "Strahlentherapie", at="20260201"),
    moved("2", "20260310140000", "Geriatrie", at="20260310"),
    moved("3", "20260312140000", "Irrtum", at="20260312"),
    moved("3", "20260312140000", "Irrtum", action="DELETE", at="20260313"),
    moved("0", "20260115080000", "Aufnahme", action="UPDATE", past="Y", at="20260314"),
)


def test_the_ward_is_the_last_movements_that_stands() -> None:
    for order in permutations(MOVES):
        assert value(chart_told(*order), "visit.ward") == "Geriatrie"  # type: ignore[arg-type]


def test_where_radiotherapy_ended_before_a_transfer_the_ward_is_the_one_of_then() -> None:
    told = message(
        PID, "OBX|1|DT|RT-COURSE-START^x^99RT|1|20260202", "OBX|2|DT|RT-COURSE-END^x^99RT|1|20260309",
        kind="ORU^R01", at="20260309", control="R",
    )  # fmt: skip

    chart = chart_told(*MOVES, told)  # type: ignore[arg-type]

    assert value(chart, "visit.ward") == "Strahlentherapie"
    assert source(chart, "visit.ward") == "Z120260201#PV1[1]-3[1].1"


@pytest.mark.parametrize(("offset", "family"), [("-0500", "Spaeter"), ("+0100", "Frueher")])
def test_an_offset_of_msh_7_counts_for_the_times_of_the_message(offset: str, family: str) -> None:
    """11:59 in New York comes after 12:00 in Berlin, 11:59 in Berlin does not."""
    theirs = message(
        evn(recorded="20260301115900"), PID.replace("Muster", "Spaeter"), at=f"20260301120000{offset}", control="A"
    )
    ours = message(evn(recorded="20260301120000+0100"), PID.replace("Muster", "Frueher"), control="B")

    assert value(chart_told(theirs, ours), "patient.family") == family


@pytest.mark.parametrize(("kind", "evn_1"), [("adt^a13", ""), ("ADT", "A13"), ("ADT_A13", "")])
def test_a_cancelled_discharge_is_one_in_the_chart_in_whatever_form_it_is_named(kind: str, evn_1: str) -> None:
    told = message(PID, DISCHARGED, kind="ADT^A03", at="20260312", control="A")
    taken_back = message(f"EVN|{evn_1}|20260313", PID, PV1, kind=kind, at="20260313", control="B")

    assert value(chart_told(told), "visit.end")
    assert "visit.end" not in values(chart_told(told, taken_back))
