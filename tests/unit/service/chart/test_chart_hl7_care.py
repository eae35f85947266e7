"""Orders, appointments, documents and local codes in HL7 v2."""

from itertools import permutations
from zoneinfo import ZoneInfo

import pytest
from chart_inputs import DISCHARGED, PID, PV1, chart_told, message, obx, source, value, values

from service.chart import build_chart, course_status, open_mapping, read_mapping, shipped_mapping
from service.errors import WrongSetting
from service.model import Importance
from service.ports import Message

PANTOPRAZOL = "RXE||A02BC02^Pantoprazol^ATC|40||mg"
CISPLATIN = "RXE||L01XA01^Cisplatin^ATC|70||mg"


def order(*segments: str, at: str = "20260312", control: str = "R1", kind: str = "RDE^O11") -> Message:
    return message(PID, PV1, *segments, kind=kind, at=at, control=control)


def orc(number: str, control: str = "NW", *, filler: str = "", order_type: str = "O") -> str:
    return f"ORC|{control}|{number}|{filler}" + "|" * 26 + order_type


def test_an_order_that_says_so_is_discharge_medication_with_its_schedule() -> None:
    chart = chart_told(order(orc("1"), PANTOPRAZOL, "TQ1|1||1-0-1", "RXR|PO"))

    assert values(chart) == values(chart, "patient.") | values(chart, "visit.") | {
        "medication.1.drug": "Pantoprazol",
        "medication.1.dose": "40",
        "medication.1.schedule": "1-0-1",
    }
    assert source(chart, "medication.1.schedule") == "R1#TQ1[1]-3[1]"
    drug = chart.get("medication.1.drug")
    assert drug and (drug.code, drug.importance) == ("A02BC02", Importance.HIGH)


def test_an_order_that_does_not_say_so_goes_home_with_nobody() -> None:
    assert values(chart_told(order(orc("1", order_type="I"), PANTOPRAZOL)), "medication") == {}
    assert values(chart_told(order(PANTOPRAZOL)), "medication") == {}


@pytest.mark.parametrize(
    ("segments", "written", "de"),
    [
        (("TQ1|1||BID",), "BID", "zweimal täglich"),
        (("TQ1|1||Q8H",), "Q8H", "alle 8 Stunden"),
        (("TQ1|1||XYZ",), "XYZ", "XYZ"),
        (("TQ1|1||1-0-1||||||||mit Wasser",), "1-0-1", "1-0-1"),
        (("TQ1|1||||||||||morgens nüchtern",), "morgens nüchtern", "morgens nüchtern"),
        (("TQ1|1||BID||||||||1/2-0-1-0",), "1/2-0-1-0", "1/2-0-1-0"),
    ],
)
def test_the_schedule_is_told_as_written_and_in_words(segments: tuple[str, ...], written: str, de: str) -> None:
    fact = chart_told(order(orc("1"), PANTOPRAZOL, *segments)).get("medication.1.schedule")

    assert fact and (fact.value, fact.display.de) == (written, de)


def test_before_2_5_the_schedule_stands_in_the_order_itself() -> None:
    told = chart_told(order(orc("1"), "RXE|^1-0-0|A02BC02^Pantoprazol^ATC|40||mg"))
    in_words = chart_told(order(orc("1"), f"{PANTOPRAZOL}||^vor dem Essen"))

    assert source(told, "medication.1.schedule") == "R1#RXE[1]-1[1].2"
    assert value(told, "medication.1.schedule") == "1-0-0"
    assert value(in_words, "medication.1.schedule") == "vor dem Essen"


def test_an_order_is_changed_and_called_off_by_its_number() -> None:
    first = order(orc("1", filler="F9"), PANTOPRAZOL, "TQ1|1||1-0-1", at="20260310", control="A")
    other = order(orc("2"), "RXE||N02BE01^Paracetamol^ATC|1||g", at="20260311", control="B")
    changed = order(orc("1", "XO"), PANTOPRAZOL.replace("|40|", "|20|"), "TQ1|1||1-0-0", at="20260312", control="C")
    stopped = order(orc("", "DC", filler="F9"), PANTOPRAZOL, at="20260313", control="D")

    for rows in permutations((first, other, changed)):
        chart = chart_told(*rows)
        assert [value(chart, f"medication.{number}.drug") for number in (1, 2, 3)] == [
            "Pantoprazol",
            "Paracetamol",
            None,
        ]
        assert (value(chart, "medication.1.dose"), value(chart, "medication.1.schedule")) == ("20", "1-0-0")
    assert value(chart_told(stopped, first, other, changed), "medication.1.drug") == "Paracetamol"


def test_two_orders_of_one_drug_are_two_lines() -> None:
    chart = chart_told(order(orc("1"), PANTOPRAZOL, orc("2"), PANTOPRAZOL.replace("|40|", "|20|")))

    assert [value(chart, f"medication.{number}.dose") for number in (1, 2)] == ["40", "20"]


def test_oncological_orders_are_systemic_therapy_with_their_rhythm_and_not_those_called_off() -> None:
    ordered = order(orc("1", order_type="I"), CISPLATIN, "TQ1|1||Q3W", at="20260201")
    called_off = order(orc("1", "CA"), at="20260202", control="R2")

    rhythm = chart_told(ordered).get("systemic.1.rhythm")
    assert rhythm and rhythm.display.de == "alle 3 Wochen"
    assert values(chart_told(called_off, ordered), "systemic") == {}


def test_an_administration_that_was_deleted_was_not_given() -> None:
    given = "RXA|0|1|20260105||L01XA01^Cisplatin^ATC|70|mg"
    first = order(given, kind="RAS^O17", at="20260105", control="A")
    deleted = order(given + "|" * 14 + "D", kind="RAS^O17", at="20260106", control="B")

    assert value(chart_told(first), "systemic.1.start") == "2026-01-05"
    assert values(chart_told(deleted, first), "systemic") == {}


# ---------------------------------------------------------------- appointments


def siu(trigger: str, *segments: str, at: str, control: str, visit: str = "") -> Message:
    stay = (PV1.replace("F1^", f"{visit}^"),) if visit else ()
    return message(*segments, PID, *stay, kind=f"SIU^{trigger}", at=at, control=control)


def test_an_appointment_is_rescheduled_and_cancelled_by_either_number() -> None:
    booked = siu("S12", "SCH|P1|T1", "AIS|1||N^Nachsorge|20260420103000", at="20260301", control="A")
    later = siu("S13", "SCH||T1", "AIS|1||N^Nachsorge|20260427090000", at="20260302", control="B")
    cancelled = siu("S15", "SCH|P1", at="20260303", control="C")

    for rows in permutations((booked, later)):
        assert values(chart_told(*rows), "appointment") == {
            "appointment.1.date": "2026-04-27",
            "appointment.1.time": "09:00",
            "appointment.1.place": "Nachsorge",
        }
    assert values(chart_told(cancelled, later, booked), "appointment") == {}


@pytest.mark.parametrize(
    ("segments", "place", "where"),
    [
        (("AIL|1||Amb^^^H^^^^^Ambulanz A", "AIG|1||LINAC1^Linac 1", "AIP|1||77^Stein^Karla"), "Ambulanz A", "AIL[1]-3[1].9"),
        (("AIG|1||LINAC1^Linac 1", "AIP|1||77^Stein^Karla"), "Linac 1", "AIG[1]-3[1].2"),
        (("AIP|1||77^Stein^Karla^^^Dr.",), "Dr. Karla Stein", None),
        (("AIL|1|D|Ambulanz A",), "Nachsorge", "AIS[1]-3[1].2"),
    ],
)  # fmt: skip
def test_the_place_is_the_location_else_the_resource_else_the_person_else_the_service(
    segments: tuple[str, ...], place: str, where: str | None
) -> None:
    chart = chart_told(siu("S12", "SCH|P1", "AIS|1||N^Nachsorge|20260420", *segments, at="20260301", control="A"))

    assert value(chart, "appointment.1.place") == place
    assert where is None or source(chart, "appointment.1.place") == f"A#{where}"


def test_the_start_may_stand_in_tq1_or_with_a_resource() -> None:
    in_tq1 = siu("S12", "SCH|P1", "TQ1|1||||||20260420103000", "AIS|1||N^Nachsorge", at="20260301", control="A")
    with_resource = siu("S12", "SCH|P2", "AIG|1||L^Linac|||||20260421", at="20260301", control="B")

    chart = chart_told(in_tq1, with_resource)

    assert source(chart, "appointment.1.date") == "A#TQ1[1]-7[1]"
    assert source(chart, "appointment.2.date") == "B#AIG[1]-8[1]"


def test_an_appointment_booked_for_the_next_visit_of_the_patient_belongs_in_the_letter_of_this_one() -> None:
    stay = message(PID, DISCHARGED, at="20260313")
    booked = siu("S12", "SCH|P1", "AIS|1||N^Nachsorge|20260420", at="20260312", control="A", visit="F9")
    strangers = message(
        "SCH|P7", "AIS|1||N^Nachsorge|20260421", PID.replace("4711", "999"), kind="SIU^S12", at="20260312", control="B"
    )

    chart = chart_told(booked, strangers, stay)

    assert value(chart, "appointment.1.date") == "2026-04-20"
    assert value(chart, "appointment.2.date") is None
    assert value(chart, "visit.number") == "F1"
    assert chart.warnings == ("B: message of another visit or patient, left out",)


# ---------------------------------------------------------------- documents


@pytest.mark.parametrize("trigger", ["T02", "T04", "T06", "T08", "T10", "T11"])
def test_a_document_is_prose_and_no_source_of_facts(trigger: str) -> None:
    text = (
        "TXA|1|DS|TX|20260312|||||||D1",
        obx("18842-5^Discharge summary^LN", "Mammakarzinom pT2, Hb 7,0 g/dl", kind="TX"),
        obx("718-7^Hb^LN", "7.0", kind="NM", unit="g/dl"),
        obx("29593-1^Ki-67^LN", "90", kind="NM", unit="%"),
        "OBX|9|NM|RT-VOLUME-DOSE^x^99RT|1.1|60|Gy|||||F",
    )
    stay = message(PID, DISCHARGED, "DG1|1||C50.4^Mamma^I10G", at="20260313", control="A")
    document = message(PID, PV1, *text, kind=f"MDM^{trigger}", at="20260312", control="D")

    assert chart_told(document, stay) == chart_told(stay)


# ---------------------------------------------------------------- the institution's own codes

OWN = """
system: ARIA
codes: {Kurs_Status: status, KURS_BEGINN: start, DOSIS: volume.dose}
words: {status: {Fertig: completed, läuft: in-progress}}
results: {hb: 718-7, WHO: 89247-1}
discharge: {ORC-16: [HEIM]}
"""


def test_an_institutions_mapping_replaces_the_shipped_one() -> None:
    mapping = read_mapping(OWN)
    told = message(
        PID, PV1,
        "OBX|1|ST|KURS_STATUS^x^ARIA|1|fertig||||||F",
        "OBX|2|NM|DOSIS^x^ARIA|1.1|50.4|Gy|||||F",
        obx("HB^Hämoglobin^L", "10.2", kind="NM", unit="g/dl"),
        obx("WHO^WHO^L", "1", kind="NM"),
        obx("CRP^CRP^L", "5", kind="ST"),
        kind="ORU^R01",
    )  # fmt: skip
    home = order("ORC|NW|1" + "|" * 14 + "HEIM", PANTOPRAZOL)

    chart = build_chart([told, home], [], mapping=mapping)

    assert values(chart, "course") == {"course.1.status": "completed", "course.1.volume.1.dose": "50.4"}
    assert value(chart, "performance.ecog") == "1"
    assert value(chart, "lab.1.name") == "Hämoglobin"
    assert value(chart, "medication.1.drug") == "Pantoprazol"
    assert values(chart_told(told, home), "course") == values(chart_told(told, home), "medication") == {}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("system: [", "no YAML"),
        ("- a", "no table"),
        ("codes: {A: volume.colour}", "codes.A"),
        ("codes: [A]", "codes"),
        ("words: {status: {A: [b]}}", "words.status.A"),
        ("discharge: {ORC: [O]}", "discharge.ORC"),
        ("discharge: {ORC-29: O}", "discharge.ORC-29"),
        ("colour: {}", "colour"),
    ],
)
def test_a_mapping_of_another_form_is_refused_by_its_place(text: str, place: str) -> None:
    with pytest.raises(WrongSetting) as refusal:
        read_mapping(text)

    assert refusal.value.detail.startswith(place)
    assert refusal.value.remedy


def test_without_a_mapping_file_the_shipped_one_stands() -> None:
    assert open_mapping(None) == shipped_mapping()


def test_the_status_of_the_course_is_told_for_rules() -> None:
    def course(*rows: str) -> Message:
        return message(*rows, kind="ORU^R01")

    def rt(code: str, said: str, sub: str = "1") -> str:
        return f"OBX|1|ST|{code}^x^99RT|{sub}|{said}||||||F"

    mapping = shipped_mapping()
    assert course_status(course(rt("RT-COURSE-STATUS", "abgeschlossen")), mapping) == "completed"
    assert course_status(course(rt("RT-COURSE-STATUS", "quux")), mapping) is None
    assert course_status(course(rt("RT-COURSE-STATUS", "completed").replace("|F", "|D")), mapping) is None
    assert course_status(course(obx("718-7^Hb^LN", "10")), mapping) is None
    two = (
        rt("RT-COURSE-START", "20260202", "2"), rt("RT-COURSE-STATUS", "laufend", "2"),
        rt("RT-COURSE-START", "20190202"), rt("RT-COURSE-STATUS", "completed"),
    )  # fmt: skip
    assert course_status(course(*two), mapping) == "in-progress"
    fertig = message("OBX|1|ST|KURS_STATUS^x^ARIA|1|Fertig||||||F", kind="ORU^R01")
    assert course_status(fertig, read_mapping(OWN)) == "completed"
    assert course_status(fertig, mapping) is None


@pytest.mark.parametrize(
    ("start", "zone", "clock"),
    [
        ("20260420103000", "Europe/Berlin", "10:30"),
        ("20260420103000+0000", "Europe/Berlin", "12:30"),
        ("20260420103000+0000", "America/New_York", "06:30"),
        ("20260420103000-0700", "America/New_York", "10:30"),
    ],
)
def test_a_clock_in_utc_is_turned_into_the_hospitals_zone(start: str, zone: str, clock: str) -> None:
    booked = siu("S12", "SCH|P1", f"AIS|1||N^Nachsorge|{start}", at="20260301", control="A")

    assert value(build_chart([booked], [], local=ZoneInfo(zone)), "appointment.1.time") == clock
    assert value(build_chart([booked], []), "appointment.1.time") in ("10:30", "12:30")
