"""Radiotherapy results of a record-and-verify system, by the codes of the shipped mapping."""

import pytest
from chart_inputs import chart_told, message, obx, rt, source, value, values
from hypothesis import given
from hypothesis import strategies as st

START = rt("RT-COURSE-START", "20260202", kind="DT")
END = rt("RT-COURSE-END", "20260312", kind="DT")
DOSE = rt("RT-VOLUME-DOSE", "50.4", kind="NM", sub="1.1", unit="Gy")
NAME = rt("RT-VOLUME-NAME", "Mamma rechts", sub="1.1")


def test_a_course_is_told_with_its_volumes() -> None:
    chart = chart_told(
        message(
            START,
            END,
            rt("RT-COURSE-STATUS", "completed"),
            rt("RT-INTENT", "adjuvant"),
            rt("RT-TECHNIQUE", "VMAT"),
            rt("RT-SITE", "Mamma"),
            rt("RT-LATERALITY", "right"),
            rt("RT-FRACTIONS", "28", kind="NM"),
            NAME,
            DOSE,
            rt("RT-VOLUME-FRACTIONS", "28", kind="NM", sub="1.1"),
            rt("RT-VOLUME-NAME", "Boost", sub="1.2"),
            rt("RT-VOLUME-DOSE", "6440", kind="NM", sub="1.2", unit="cGy^cGy^UCUM"),
            rt("RT-VOLUME-DOSE-PER-FRACTION", "2.3", kind="NM", sub="1.2", unit="Gy"),
            kind="ORU^R01",
        )
    )

    assert values(chart) == {
        "course.1.intent": "adjuvant",
        "course.1.technique": "VMAT",
        "course.1.start": "2026-02-02",
        "course.1.end": "2026-03-12",
        "course.1.site": "Mamma",
        "course.1.side": "right",
        "course.1.fractions": "28",
        "course.1.status": "completed",
        "course.1.volume.1.name": "Mamma rechts",
        "course.1.volume.1.dose": "50.4",
        "course.1.volume.1.dose_per_fraction": "1.8",
        "course.1.volume.1.fractions": "28",
        "course.1.volume.2.name": "Boost",
        "course.1.volume.2.dose": "64.4",
        "course.1.volume.2.dose_per_fraction": "2.3",
    }
    assert source(chart, "course.1.volume.1.dose") == "M1#OBX[10]-5[1]"
    assert source(chart, "course.1.volume.1.dose_per_fraction") == "M1#OBX[10]-5[1] + M1#OBX[11]-5[1]"
    site = chart.get("course.1.site")
    assert site and site.display.en == "breast"


@pytest.mark.parametrize("code", ["RT-LATERALITY", "RT-SIDE"])
@pytest.mark.parametrize(
    ("said", "side"), [("left", "left"), ("L", "left"), ("rechts", "right"), ("beidseits", "bilateral")]
)
def test_the_side_is_told_by_either_code_in_either_language(code: str, said: str, side: str) -> None:
    assert value(chart_told(message(rt(code, said))), "course.1.side") == side


@pytest.mark.parametrize(
    ("said", "status"), [("completed", "completed"), ("abgebrochen", "stopped"), ("laufend", "in-progress")]
)
def test_the_status_is_told_in_either_language(said: str, status: str) -> None:
    assert value(chart_told(message(rt("RT-COURSE-STATUS", said))), "course.1.status") == status


@given(gray=st.decimals(min_value="0.01", max_value="120", places=2))
def test_centigray_and_gray_tell_the_same_dose(gray: object) -> None:
    amount = float(str(gray))
    in_gray = rt("RT-VOLUME-DOSE", f"{amount:.2f}", kind="NM", sub="1.1", unit="Gy")
    in_centigray = rt("RT-VOLUME-DOSE", str(round(amount * 100)), kind="NM", sub="1.1", unit="cGy")

    first, second = (value(chart_told(message(row)), "course.1.volume.1.dose") for row in (in_gray, in_centigray))
    assert first == second is not None


def test_a_dose_without_a_unit_is_centigray_and_that_is_said() -> None:
    chart = chart_told(message(rt("RT-VOLUME-DOSE", "5040", kind="NM", sub="1.1")))

    assert value(chart, "course.1.volume.1.dose") == "50.4"
    assert chart.warnings == ("M1#OBX[1]-5[1]: dose without a unit, read as cGy",)


@pytest.mark.parametrize(
    ("code", "said", "unit"),
    [
        ("RT-VOLUME-DOSE", "50.4", "mg"),
        ("RT-VOLUME-DOSE", "-2", "Gy"),
        ("RT-VOLUME-DOSE", "viel", "Gy"),
        ("RT-FRACTIONS", "2.5", ""),
        ("RT-FRACTIONS", "0", ""),
        ("RT-COURSE-START", "gestern", ""),
        ("RT-COURSE-STATUS", "quux", ""),
        ("RT-LATERALITY", "oben", ""),
    ],
)
def test_what_is_no_value_of_its_kind_is_left_out_with_a_warning_that_does_not_quote_it(
    code: str, said: str, unit: str
) -> None:
    chart = chart_told(message(rt(code, said, sub="1.1" if "VOLUME" in code else "1", unit=unit)))

    assert chart.facts == ()
    assert chart.warnings
    assert all(warning.startswith("M1#OBX[1]-5[1]: ") and said not in warning for warning in chart.warnings)


def test_codes_of_another_system_are_no_courses() -> None:
    assert chart_told(message(obx("RT-COURSE-START^x^99XY", "20260202", kind="DT", sub="1"))).facts == ()


def test_a_corrected_dose_replaces_and_a_deleted_one_is_none() -> None:
    told = message(START, END, NAME, DOSE, at="20260312")
    corrected = message(
        rt("RT-VOLUME-DOSE", "48.6", kind="NM", sub="1.1", unit="Gy", status="C"), at="20260313", control="M2"
    )
    deleted = message(
        rt("RT-VOLUME-DOSE", "48.6", kind="NM", sub="1.1", unit="Gy", status="D"), at="20260314", control="M3"
    )

    chart = chart_told(told, corrected)
    assert value(chart, "course.1.volume.1.dose") == "48.6"
    assert source(chart, "course.1.volume.1.dose") == "M2#OBX[1]-5[1]"
    assert chart.conflicts == ()
    after = chart_told(told, corrected, deleted)
    assert value(after, "course.1.volume.1.dose") is None
    assert value(after, "course.1.volume.1.name") == "Mamma rechts"


def test_a_course_told_in_two_messages_is_one() -> None:
    chart = chart_told(message(START, DOSE, at="20260301"), message(START, END, DOSE, at="20260312", control="M2"))

    assert values(chart, "course.1.volume.") == {"course.1.volume.1.dose": "50.4"}
    assert values(chart, "course.2") == {}


def test_the_same_number_for_a_course_of_another_time_is_another_course() -> None:
    earlier = message(
        rt("RT-COURSE-START", "20190506", kind="DT"), rt("RT-COURSE-END", "20190607", kind="DT"), DOSE, at="20190608"
    )

    chart = chart_told(earlier, message(START, END, DOSE, at="20260312", control="M2"))

    assert [value(chart, f"course.{number}.start") for number in (1, 2)] == ["2019-05-06", "2026-02-02"]


def test_the_same_number_in_two_orders_for_two_sites_is_two_courses() -> None:
    brain = message("OBR|1||A1|RT", START, END, rt("RT-SITE", "Gehirn"), at="20260312")
    bone = message("OBR|1||A2|RT", START, END, rt("RT-SITE", "Becken"), at="20260313", control="M2")

    sites = {fact.value for fact in chart_told(brain, bone).facts if fact.handle.endswith(".site")}

    assert sites == {"Gehirn", "Becken"}


def test_figures_of_a_volume_that_do_not_agree_are_said() -> None:
    chart = chart_told(
        message(
            DOSE,
            rt("RT-VOLUME-FRACTIONS", "28", kind="NM", sub="1.1"),
            rt("RT-VOLUME-DOSE-PER-FRACTION", "2", kind="NM", sub="1.1", unit="Gy"),
        )
    )

    assert chart.warnings == ("M1#OBX[1]-5[1]: dose, dose per fraction and fractions do not agree",)
