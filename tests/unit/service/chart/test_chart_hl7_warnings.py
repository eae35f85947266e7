"""What of OBX cannot be trusted is told by its place, and never silently."""

import pytest
from chart_inputs import PID, PV1, chart_told, message, obx, rt, value, values


@pytest.mark.parametrize("unit", ["Gy", ""])
def test_a_code_of_the_record_and_verify_system_that_nobody_mapped_is_no_laboratory_value(unit: str) -> None:
    told = message(PID, PV1, rt("RT-DOSE-DAILY", "50", kind="NM", unit=unit), kind="ORU^R01")

    chart = chart_told(told)

    assert values(chart, "lab.") == {}
    assert values(chart, "course.") == {}
    assert chart.warnings == ("M1#OBX[1]-3[1]: a code that chart.obx_mapping does not have, left out",)


def test_such_a_code_beside_one_that_is_known_is_a_result() -> None:
    told = message(PID, PV1, obx("HB^Hb^99RT^718-7^Hb^LN", "9.3", kind="NM", unit="g/dl"), kind="ORU^R01")

    chart = chart_told(told)

    assert value(chart, "lab.1.value") == "9.3"
    assert chart.warnings == ()


@pytest.mark.parametrize(
    ("sub", "warned"), [("x.y", True), ("PTV", True), ("1.2.3", True), ("1", False), ("1.2", False), ("", False)]
)
def test_a_sub_id_of_another_form_is_warned_of(sub: str, warned: bool) -> None:
    chart = chart_told(message(PID, PV1, rt("RT-VOLUME-DOSE", "50.4", kind="NM", sub=sub, unit="Gy"), kind="ORU^R01"))

    assert value(chart, "course.1.volume.1.dose") == "50.4"
    assert [each.startswith("M1#OBX[1]-4[1]: neither course") for each in chart.warnings] == [True] * warned


@pytest.mark.parametrize(
    ("told", "unit", "warned"), [("9.3", "", True), ("9.3", "g/dl", False), ("negativ", "", False)]
)
def test_a_laboratory_value_without_a_unit_is_told_with_a_warning(told: str, unit: str, warned: bool) -> None:
    chart = chart_told(message(PID, PV1, obx("718-7^Hb^LN", told, unit=unit), kind="ORU^R01"))

    assert value(chart, "lab.1.value") == told
    assert chart.warnings == (("M1#OBX[1]-5[1]: laboratory value without a unit",) if warned else ())
