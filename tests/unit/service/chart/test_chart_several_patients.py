"""A message about several patients or visits: the chart is made of the part that is about the one wanted."""

import pytest
from chart_inputs import PID, PV1, chart_of, chart_told, message, obx, rt, source, value, values

from service.chart import build_chart, course_status, shipped_mapping
from service.patient_groups import has_several_patients, parts

OTHER_PID = "PID|2||999^^^KIS^MR||Fremd^Frida^^^^^L||19300101|M"
OTHER_PV1 = PV1.replace("F1^", "F9^").replace("Station 4", "Station 9")
OBR = "OBR|1|||LAB|||20260312073000"
HB = obx("718-7^Hb^LN", "10.2", kind="NM", unit="g/dl")
OTHER_HB = HB.replace("10.2", "7.1")
OTHER_WBC = obx("6690-2^Leukozyten^LN", "1.1", kind="NM", unit="/nl")
TWO = (PID, PV1, OBR, HB, OTHER_PID, OTHER_PV1, OBR, OTHER_HB, OTHER_WBC)


@pytest.mark.parametrize("kind", ["ORU^R01", "ADT^A08", "ORM^O01"])
@pytest.mark.parametrize("asked", ["KIS|F1", None])
def test_the_second_patients_results_are_not_the_firsts(kind: str, asked: str | None) -> None:
    chart = build_chart([message(*TWO, kind=kind)], [], visit_key=asked)

    assert values(chart, "lab.") == values(chart_told(message(PID, PV1, OBR, HB, kind="ORU^R01")), "lab.")
    assert (value(chart, "patient.family"), value(chart, "patient.sex")) == ("Muster", "female")
    assert chart.warnings == ("M1#PID[2]: the message tells of another visit or patient from here on, left out",)


def test_the_second_patients_visit_is_told_by_the_second_part_with_its_place_in_the_whole_message() -> None:
    chart = build_chart([message(*TWO, kind="ORU^R01")], [], visit_key="KIS|F9")

    assert {value(chart, f"lab.{number}.value") for number in (1, 2)} == {"7.1", "1.1"}
    assert {source(chart, f"lab.{number}.value") for number in (1, 2)} == {"M1#OBX[2]-5[1]", "M1#OBX[3]-5[1]"}
    assert source(chart, "patient.family") == "M1#PID[2]-5[1].1"
    assert value(chart, "visit.ward") == "Station 9"
    assert chart.warnings == ("M1#PID[1]: the message tells of another visit or patient from here on, left out",)


@pytest.mark.parametrize("second", [OTHER_PID, "PID|2||||Fremd^Frida"])
@pytest.mark.parametrize("asked", ["KIS|F1", "KIS|4711|2026-02-01", None])
def test_without_a_visit_number_the_identifiers_tell_the_patients_apart(second: str, asked: str | None) -> None:
    told = message(PID, OBR, HB, second, OBR, OTHER_HB, OTHER_WBC, kind="ORU^R01")

    chart = build_chart([told], [], visit_key=asked)

    assert [value(chart, "lab.1.value"), value(chart, "lab.2.value")] == ["10.2", None]
    assert value(chart, "patient.family") == "Muster"


def test_another_patient_under_the_same_visit_number_is_another_patient() -> None:
    told = message(PID, PV1, OBR, HB, OTHER_PID, PV1, OBR, OTHER_WBC, kind="ORU^R01")

    chart = build_chart([told], [], visit_key="KIS|F1")

    assert values(chart, "patient.")["patient.family"] == "Muster"
    assert value(chart, "lab.2.value") is None


def test_another_visit_of_the_same_patient_begins_with_its_pv1() -> None:
    told = message(PID, PV1, OBR, HB, OTHER_PV1, OBR, OTHER_WBC, kind="ORU^R01")

    first, second = (build_chart([told], [], visit_key=f"KIS|{number}") for number in ("F1", "F9"))

    assert [value(first, "lab.1.value"), value(first, "lab.2.value")] == ["10.2", None]
    assert [value(second, "lab.1.value"), value(second, "lab.2.value")] == ["1.1", None]
    assert value(second, "patient.family") == "Muster"
    assert first.warnings == ("M1#PV1[2]: the message tells of another visit or patient from here on, left out",)


def test_a_patient_told_again_before_each_order_stays_one() -> None:
    chart = chart_told(message(PID, PV1, OBR, HB, PID, PV1, OBR, OTHER_WBC, kind="ORU^R01"))

    assert {value(chart, "lab.1.value"), value(chart, "lab.2.value")} == {"10.2", "1.1"}
    assert chart.warnings == ()


def test_messages_of_two_patients_without_any_visit_are_not_mixed() -> None:
    first = message(OTHER_PID, OBR, OTHER_WBC, kind="ORU^R01", at="20260311", control="A")
    second = message(PID, OBR, HB, kind="ORU^R01", at="20260312", control="B")

    chart = chart_told(second, first)

    assert [value(chart, "lab.1.value"), value(chart, "lab.2.value")] == ["10.2", None]


def test_an_appointment_of_a_group_is_each_patients() -> None:
    told = message("SCH|P1|T1", PID, PV1, OTHER_PID, OTHER_PV1, "RGS|1", "AIS|1||N^Nachsorge|20260420", kind="SIU^S12")

    for visit in ("KIS|F1", "KIS|F9"):
        assert value(build_chart([told], [], visit_key=visit), "appointment.1.date") == "2026-04-20"


@pytest.mark.parametrize("asked", ["KIS|F1", "KIS|F9"])
def test_a_swap_of_beds_gives_each_patient_the_own_bed(asked: str) -> None:
    chart = build_chart([message(PID, PV1, OTHER_PID, OTHER_PV1, kind="ADT^A17")], [], visit_key=asked)

    expected = ("Muster", "Station 4") if asked == "KIS|F1" else ("Fremd", "Station 9")
    assert (value(chart, "patient.family"), value(chart, "visit.ward")) == expected


@pytest.mark.parametrize("trigger", ["A18", "A40"])
@pytest.mark.parametrize("pairs", ["alternating", "mrg last", "second"])
def test_a_merge_of_several_pairs_joins_what_it_joined_before(trigger: str, pairs: str) -> None:
    mrg, other = "MRG|0815^^^KIS^MR", "MRG|0999^^^KIS^MR"
    rows = {
        "alternating": (PID, mrg, OTHER_PID, other),
        "mrg last": (PID, OTHER_PID, mrg),
        "second": (OTHER_PID, other, PID, mrg),
    }[pairs]
    result = message(PID.replace("4711", "0815"), OBR, HB, kind="ORU^R01", at="20260205", control="R")
    merge = message(*rows, kind=f"ADT^{trigger}", at="20260210", control="M")

    chart = chart_told(result, merge, message(PID, PV1, at="20260313", control="S"))

    assert value(chart, "lab.1.value") == "10.2"
    assert value(chart, "patient.family") == "Muster"


def test_with_the_ehrs_resources_too_the_other_patients_results_stay_out() -> None:
    chart = chart_of(messages=(message(*TWO, kind="ORU^R01"),), visit_key="KIS|F1")

    assert value(chart, "lab.2.value") is None


def test_the_second_patients_course_ends_no_course_of_the_firsts() -> None:
    done = rt("RT-COURSE-STATUS", "completed")
    told = message(PID, PV1, OBR, HB, OTHER_PID, OTHER_PV1, OBR, done, kind="ORU^R01")

    assert course_status(message(PID, PV1, OBR, done, kind="ORU^R01"), shipped_mapping()) == "completed"
    assert course_status(told, shipped_mapping()) is None


def test_each_segment_of_a_message_of_several_patients_is_in_one_part_or_in_all() -> None:
    told = message(*TWO, kind="ORU^R01")

    first, second = parts(told)

    assert {*first.segments()} & {*second.segments()} == {*told.segments("MSH")}
    assert {*first.segments()} | {*second.segments()} == {*told.segments()}
    assert has_several_patients(told)
    assert not has_several_patients(message(PID, PV1, PID))
