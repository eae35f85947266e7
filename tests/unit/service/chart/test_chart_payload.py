"""A chart as JSON: the contract's form for the command line, everything for the store."""

import json

import pytest
from chart_inputs import chart_of, condition, course, dose, encounter, patient

from service.chart import chart_from_payload, chart_payload, to_json
from service.errors import UnusableInput

CHART = chart_of(
    patient(),
    encounter(),
    condition("1", onsetDateTime="2025-11-02"),
    condition("2", onsetDateTime="2025-12-02"),
    course(extension=[dose("PTV", 5040, None)]),
)


def test_each_fact_has_the_seven_members_of_the_contract() -> None:
    report = to_json(CHART, "de")

    assert set(report) == {"facts", "conflicts", "warnings"}
    assert all(
        list(fact) == ["handle", "type", "value", "unit", "display", "source", "importance"] for fact in report["facts"]
    )
    assert {
        "handle": "course.1.volume.1.dose",
        "type": "dose",
        "value": "50.4",
        "unit": "Gy",
        "display": "50,4 Gy",
        "importance": "high",
    }.items() <= next(fact for fact in report["facts"] if fact["handle"] == "course.1.volume.1.dose").items()


def test_displays_are_in_the_language_asked_for() -> None:
    german, english = (
        {fact["handle"]: fact["display"] for fact in to_json(CHART, lang)["facts"]} for lang in ("de", "en")
    )

    assert (german["course.1.start"], english["course.1.start"]) == ("02.02.2026", "2 February 2026")
    assert (german["patient.salutation"], english["patient.salutation"]) == ("Frau", "Ms")


def test_conflicts_and_warnings_stand_beside_the_facts() -> None:
    report = to_json(CHART, "en")

    assert report["conflicts"] == [
        {
            "handle": "diagnosis.1.date",
            "values": ["2025-11-02", "2025-12-02"],
            "sources": ["Condition/1#onset", "Condition/2#onset"],
        }
    ]
    assert len(report["warnings"]) == 2


def test_the_stored_form_gives_the_chart_back() -> None:
    assert chart_from_payload(json.loads(json.dumps(chart_payload(CHART)))) == CHART


@pytest.mark.parametrize("payload", [{}, {"facts": [{"handle": "Secret"}], "conflicts": [], "warnings": []}])
def test_another_form_is_refused_without_naming_its_content(payload: dict[str, object]) -> None:
    with pytest.raises(UnusableInput, match="Build the chart again") as refusal:
        chart_from_payload(payload)

    assert "Secret" not in str(refusal.value)
