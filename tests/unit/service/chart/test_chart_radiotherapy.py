"""Courses, volumes, phases: doses belong to volumes (ICRU 83), in gray, added up over phases only."""

import pytest
from chart_inputs import MCODE, SNOMED, chart_of, coded, course, dose, resource, sessions, source, value, values
from hypothesis import given
from hypothesis import strategies as st

from service.model import Importance

PHASE = coded(SNOMED, "1222565005")
DOSE_AT = f"extension('{MCODE}mcode-radiotherapy-dose-delivered-to-volume')"


def test_a_course_has_intent_technique_dates_place_fractions_and_status() -> None:
    intent = {"url": MCODE + "mcode-procedure-intent", "valueCodeableConcept": coded(SNOMED, "373846009")}
    technique = {
        "url": MCODE + "mcode-radiotherapy-modality-and-technique",
        "extension": [
            {"url": MCODE + "mcode-radiotherapy-modality", "valueCodeableConcept": coded(SNOMED, "1156506007")},
            {"url": MCODE + "mcode-radiotherapy-technique", "valueCodeableConcept": coded(SNOMED, "1156530009")},
        ],
    }
    chart = chart_of(course(extension=[intent, technique, sessions(28)]))

    assert values(chart, "course.") == {
        "course.1.intent": "adjuvant",
        "course.1.technique": "VMAT",
        "course.1.start": "2026-02-02",
        "course.1.end": "2026-03-12",
        "course.1.site": "Mamma",
        "course.1.side": "right",
        "course.1.fractions": "28",
        "course.1.status": "completed",
    }
    assert source(chart, "course.1.start") == "Procedure/7#performed.start"
    assert source(chart, "course.1.fractions") == f"Procedure/7#extension('{MCODE}mcode-radiotherapy-sessions').value"
    assert source(chart, "course.1.status") == "Procedure/7#status"


def test_a_volume_has_name_dose_single_dose_and_fractions() -> None:
    chart = chart_of(course(extension=[dose("Mamma rechts", 50.4, fractions=28)]))

    assert values(chart, "course.1.volume.") == {
        "course.1.volume.1.name": "Mamma rechts",
        "course.1.volume.1.dose": "50.4",
        "course.1.volume.1.dose_per_fraction": "1.8",
        "course.1.volume.1.fractions": "28",
    }
    told = chart.get("course.1.volume.1.dose")
    assert told and (told.unit, told.display.de, told.display.en) == ("Gy", "50,4 Gy", "50.4 Gy")
    assert told.importance is Importance.HIGH
    assert told.source == f"Procedure/7#{DOSE_AT}.extension('totalDoseDelivered').value"


@given(gray=st.decimals(min_value="0.01", max_value="120", places=2))
def test_centigray_and_gray_tell_the_same_dose(gray: object) -> None:
    amount = float(str(gray))
    in_gray = chart_of(course(extension=[dose("PTV", amount)]))
    in_centigray = chart_of(course(extension=[dose("PTV", round(amount * 100), "cGy")]))

    assert value(in_gray, "course.1.volume.1.dose") == value(in_centigray, "course.1.volume.1.dose")


def test_a_dose_without_a_unit_is_centigray_and_that_is_said() -> None:
    chart = chart_of(course(extension=[dose("PTV", 5040, None)]))

    assert value(chart, "course.1.volume.1.dose") == "50.4"
    assert chart.warnings == (
        f"Procedure/7#{DOSE_AT}.extension('totalDoseDelivered').value: dose without a unit, read as cGy",
    )


def test_a_dose_in_a_unit_that_is_none_is_left_out_with_a_warning_that_does_not_quote_it() -> None:
    chart = chart_of(course(extension=[dose("PTV", 50.4, "mg")]))

    assert value(chart, "course.1.volume.1.dose") is None
    assert any("not understood" in warning and "50" not in warning for warning in chart.warnings)


def test_volumes_of_a_simultaneous_boost_keep_each_its_own_dose() -> None:
    chart = chart_of(course(extension=[dose("Mamma", 50.4, fractions=28), dose("Boost", 64.4, fractions=28)]))

    assert [value(chart, f"course.1.volume.{number}.dose") for number in (1, 2)] == ["50.4", "64.4"]
    assert not any(fact.value == "114.8" for fact in chart.facts)


def phase(identity: str, *doses: dict[str, object], count: int) -> dict[str, object]:
    fractions = {"url": MCODE + "mcode-radiotherapy-fractions-delivered", "valueUnsignedInt": count}
    return course(
        identity, code=PHASE, extension=[fractions, *doses], partOf=[{"reference": "Procedure/7"}], bodySite=[]
    )


def test_sequential_phases_add_up_for_each_volume_where_the_summary_gives_no_dose() -> None:
    chart = chart_of(
        course(extension=[]),
        phase("p1", dose("Becken", 45, fractions=25), dose("Boost", 45, fractions=25), count=25),
        phase("p2", dose("Boost", 9, fractions=5), count=5),
    )

    assert values(chart, "course.1.volume.") == {
        "course.1.volume.1.name": "Becken",
        "course.1.volume.1.dose": "45",
        "course.1.volume.1.dose_per_fraction": "1.8",
        "course.1.volume.1.fractions": "25",
        "course.1.volume.2.name": "Boost",
        "course.1.volume.2.dose": "54",
        "course.1.volume.2.dose_per_fraction": "1.8",
        "course.1.volume.2.fractions": "30",
    }
    assert value(chart, "course.1.fractions") == "30"
    added = source(chart, "course.1.volume.2.dose")
    assert added and added.startswith("Procedure/p1#") and " + Procedure/p2#" in added


def test_phases_are_no_courses_and_do_not_raise_the_summarys_dose() -> None:
    chart = chart_of(
        course(extension=[dose("Mamma", 50.4, fractions=28)]), phase("p1", dose("Mamma", 50.4, fractions=28), count=28)
    )

    assert value(chart, "course.1.volume.1.dose") == "50.4"
    assert value(chart, "course.2.start") is None
    assert chart.warnings == ()


def test_phases_of_different_fractionation_give_no_dose_per_fraction() -> None:
    chart = chart_of(
        course(extension=[]),
        phase("p1", dose("Prostata", 50, fractions=25), count=25),
        phase("p2", dose("Prostata", 26, fractions=10), count=10),
    )

    assert value(chart, "course.1.volume.1.dose") == "76"
    assert value(chart, "course.1.volume.1.dose_per_fraction") is None


def test_phases_that_give_more_than_the_summary_are_told_aloud_and_the_summary_stands() -> None:
    chart = chart_of(
        course(extension=[dose("Mamma", 50.4, fractions=28)]), phase("p1", dose("Mamma", 60, fractions=30), count=30)
    )

    assert value(chart, "course.1.volume.1.dose") == "50.4"
    assert any("more dose than the summary" in warning for warning in chart.warnings)


def test_phases_without_their_course_are_one_course() -> None:
    chart = chart_of(
        phase("p1", dose("Mamma", 40, fractions=20), count=20), phase("p2", dose("Mamma", 10, fractions=5), count=5)
    )

    assert value(chart, "course.1.volume.1.dose") == "50"
    assert value(chart, "course.2.volume.1.dose") is None


@pytest.mark.parametrize("count", [0, -3, 2.5, "28", True, None])
def test_a_number_of_fractions_that_is_none_is_left_out(count: object) -> None:
    assert value(chart_of(course(extension=[sessions(count)])), "course.1.fractions") is None


def test_courses_are_numbered_by_their_start() -> None:
    early = course("b", extension=[], performedPeriod={"start": "2019-05-01", "end": "2019-06-01"})

    chart = chart_of(course("a", extension=[]), early)

    assert [value(chart, f"course.{number}.start") for number in (1, 2)] == ["2019-05-01", "2026-02-02"]


def test_a_course_entered_in_error_or_not_done_is_none() -> None:
    chart = chart_of(course("a", extension=[], status="entered-in-error"), course("b", extension=[], status="not-done"))

    assert values(chart, "course.") == {}


def test_what_was_delivered_stands_and_its_prescription_is_no_second_course() -> None:
    order = resource(
        "ServiceRequest", "5", status="completed", intent="order", code=coded(SNOMED, "1217123003"),
        extension=[dose("Mamma", 60.0)],
    )  # fmt: skip
    chart = chart_of(order, course(extension=[dose("Mamma", 50.4)], basedOn=[{"reference": "ServiceRequest/5"}]))

    assert value(chart, "course.1.volume.1.dose") == "50.4"
    assert values(chart, "course.2") == {}
