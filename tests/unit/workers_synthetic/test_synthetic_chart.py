"""What was put into a case comes out of its chart: item by item, value by value."""

import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest

from service.chart import build_chart, resources_of
from service.model import Chart, Lang
from workers.training.synthetic import SITES, generate_case
from workers.training.synthetic.invent import invent_scenario
from workers.training.synthetic.scenario import Course, Scenario, Tumour, Volume

LANGUAGES: tuple[Lang, ...] = ("de", "en")
INTENTS = {"373808002": "curative", "363676003": "palliative", "373846009": "adjuvant", "373847000": "neoadjuvant"}
Item = dict[str, str]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("site", SITES)
def test_the_chart_of_a_bundle_holds_what_the_case_was_made_of(site: str, lang: Lang) -> None:
    for seed in range(12):
        case = invent_scenario(seed, lang=lang, site=site)
        chart = build_chart([], resources_of(generate_case(seed, lang=lang, site=site).bundle))

        for kind, wanted in expected(case).items():
            assert found(chart, kind, wanted) == _counted(wanted), f"{kind} of seed {seed}"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_chart_of_a_bundle_has_neither_conflicts_nor_warnings_but_of_doses_in_centigray(lang: Lang) -> None:
    for seed in range(60):
        chart = build_chart([], resources_of(generate_case(seed, lang=lang).bundle))

        assert chart.conflicts == ()
        assert [each for each in chart.warnings if not each.endswith(": dose in cGy, told in Gy")] == []


def expected(case: Scenario) -> dict[str, list[Item]]:
    """The items of each kind with the leaves that the scenario states outright."""
    return {
        "patient": [
            {
                "family": case.patient.family,
                "given": case.patient.given,
                "birth_date": case.patient.birth_date.isoformat(),
                "sex": case.patient.sex,
                "id": case.patient.mrn,
            }
        ],
        "visit": [
            {
                "number": case.stay.visit_number,
                "start": case.stay.start.date().isoformat(),
                "end": case.stay.end.date().isoformat(),
                "ward": case.stay.ward,
            }
        ],
        "diagnosis": [_diagnosis(tumour) for tumour in case.tumours],
        "comorbidity": [{"icd10": str(term.code)} for term in case.comorbidities],
        "course": [_course(course) for course in case.courses],
        "course.volume": [_volume(volume) for course in case.courses for volume in course.volumes],
        "procedure": [{"name": row.name.text, "date": row.date} for row in case.operations],
        "systemic": [
            _present(
                drug=row.drug.text,
                dose=_number(row.dose.value) if row.dose else None,
                rhythm=row.rhythm,
                cycles=str(row.cycles) if row.cycles else None,
                start=row.start,
                end=row.end,
            )
            for row in case.systemic
        ],
        "toxicity": [
            {"term": row.term.text, "grade": str(row.grade), "date": row.date.isoformat()} for row in case.toxicities
        ],
        "performance": [_present(ecog=_text(case.ecog), karnofsky=_text(case.karnofsky))],
        "lab": [
            {"name": row.name.text, "value": _number(row.amount.value), "date": row.taken.date().isoformat()}
            for row in case.labs
        ],
        "medication": [
            {"drug": row.drug.text, "dose": _number(row.dose.value), "schedule": row.schedule}
            for row in case.medications
        ],
        "appointment": [
            {"date": f"{row.start:%Y-%m-%d}", "time": f"{row.start:%H:%M}", "place": row.place}
            for row in case.appointments
        ],
        "plan": [_present(what=row.what, date=row.date) for row in case.plan],
    }


def found(chart: Chart, kind: str, wanted: list[Item]) -> Counter[frozenset[tuple[str, str]]]:
    """The chart's items of ``kind``, each with the leaves of ``wanted``."""
    leaves = {leaf for item in wanted for leaf in item}
    items: dict[str, Item] = {}
    for fact in chart.facts:
        stem, _, leaf = fact.handle.rpartition(".")
        if re.sub(r"\.\d+", "", stem) == kind:
            item = items.setdefault(stem, {})
            if leaf in leaves:
                item[leaf] = fact.value
    return _counted(items.values())


def _counted(items: Iterable[Item]) -> Counter[frozenset[tuple[str, str]]]:
    return Counter(frozenset(item.items()) for item in items if item)


def _diagnosis(tumour: Tumour) -> Item:
    values = {category.axis: category.value for category in tumour.categories}
    return _present(
        name=tumour.name.text,
        icd10=tumour.name.code,
        side=tumour.side,
        site=tumour.site.text,
        histology=tumour.histology.text if tumour.histology else None,
        date=tumour.date,
        grading=tumour.grading,
        **values,
    )


def _course(course: Course) -> Item:
    return _present(
        intent=INTENTS[str(course.intent.code)],
        start=course.start.isoformat(),
        end=course.end.isoformat() if course.end else None,
        site=course.site.text,
        side=course.side,
        fractions=str(course.fractions),
        status=course.status,
    )


def _volume(volume: Volume) -> Item:
    return {"name": volume.name, "dose": _number(volume.dose), "fractions": str(volume.fractions)}


def _number(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


def _present(**leaves: Any) -> Item:
    return {name: value for name, value in leaves.items() if value is not None}
