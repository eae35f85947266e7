"""Invented cases make clinical sense: doses and dates agree, and every optional part comes and goes."""

from datetime import date
from decimal import Decimal

import pytest

from service.model import Lang
from workers.training.synthetic import SITES, generate_case
from workers.training.synthetic.courses import deliver, split_phases, treatment_days
from workers.training.synthetic.invent import invent_scenario
from workers.training.synthetic.scenario import Scenario, Volume
from workers.training.synthetic.tables import table

LANGUAGES: tuple[Lang, ...] = ("de", "en")
MANY = [invent_scenario(seed, lang=lang) for seed in range(300) for lang in LANGUAGES]


def test_every_site_occurs_without_being_asked_for() -> None:
    assert {case.site for case in MANY} == set(SITES)


def test_an_unknown_site_is_refused() -> None:
    with pytest.raises(KeyError):
        generate_case(1, lang="de", site="knee")


def test_phases_add_up_to_each_volumes_total_dose() -> None:
    for case in MANY:
        for course in case.courses:
            for volume in course.volumes if course.phases else ():
                parts = [part for phase in course.phases for part in phase if part.name == volume.name]
                assert sum(part.dose for part in parts) == volume.dose
                assert sum(part.fractions for part in parts) == volume.fractions


def test_nearly_every_dose_is_fractions_times_a_dose_per_fraction_of_two_decimals() -> None:
    volumes = [volume for case in MANY for course in case.courses for volume in course.volumes]
    even = [volume for volume in volumes if volume.dose / volume.fractions == round(volume.dose / volume.fractions, 2)]

    assert len(even) > 0.9 * len(volumes)


def test_a_completed_course_takes_as_long_as_its_weekday_fractions() -> None:
    for case in MANY:
        for course in case.courses:
            assert course.start.weekday() < 5
            if course.end and course.fractions >= 10:
                expected = treatment_days(course.start, course.fractions)[-1]
                assert course.end.weekday() < 5
                assert 0 <= (course.end - expected).days <= course.fractions * 7


def test_fractions_skip_weekends_and_pauses() -> None:
    friday = date(2026, 3, 6)

    assert treatment_days(friday, 3) == [friday, date(2026, 3, 9), date(2026, 3, 10)]
    assert treatment_days(friday, 3, 2) == [friday, date(2026, 3, 10), date(2026, 3, 12)]
    assert treatment_days(friday, 3, 1, (1,)) == [friday, date(2026, 3, 10), date(2026, 3, 11)]


def test_a_course_stopped_before_its_boost_has_given_no_boost() -> None:
    breast = Volume(name="breast", dose=Decimal("50.4"), fractions=28)
    boost = Volume(name="tumour bed", dose=Decimal("59.4"), fractions=33)

    assert len(split_phases((breast, boost))) == 2
    assert deliver((breast, boost), 20) == (Volume(name="breast", dose=Decimal(36), fractions=20),)
    assert deliver((breast, boost), 30)[1] == Volume(name="tumour bed", dose=Decimal(54), fractions=30)


def test_a_stopped_course_has_given_less_than_was_prescribed() -> None:
    stopped = [case.courses[-1] for case in MANY if case.courses[-1].status == "stopped"]

    assert stopped
    for course in stopped:
        if course.planned:
            assert course.fractions < max(volume.fractions for volume in course.planned)


def test_dates_follow_each_other() -> None:
    for case in MANY:
        course = case.courses[-1]
        assert case.stay.start < case.stay.end
        assert (course.end or course.start) <= case.stay.end.date()
        assert all(course.start <= row.date <= case.stay.end.date() for row in case.toxicities)
        assert all(row.start > case.stay.end for row in case.appointments)
        assert all(row.start[:4] >= "2015" for row in case.systemic)
        for tumour in case.tumours:
            assert (tumour.date or "0") <= course.start.isoformat()


def test_ages_are_those_of_adults_with_cancer() -> None:
    ages = [(case.stay.end.date() - case.patient.birth_date).days / 365.25 for case in MANY]

    assert 35 <= min(ages) < 50
    assert 80 < max(ages) < 89


def test_names_are_many_enough_to_be_rarely_repeated() -> None:
    for lang in LANGUAGES:
        names = table("names", lang)[lang]
        assert len(set(names["heads"])) * len(set(names["tails"])) >= 200
        assert len(set(names["female"] + names["male"])) >= 60
    assert len({(case.patient.family, case.patient.given) for case in MANY}) > 0.95 * len(MANY)


def test_every_optional_part_is_there_in_some_cases_and_missing_in_others() -> None:
    def parts(case: Scenario) -> dict[str, bool]:
        tumour, course = case.tumours[-1], case.courses[-1]
        return {
            "physician": case.stay.physician is not None,
            "histology": tumour.histology is not None,
            "date of diagnosis": tumour.date is not None,
            "rough date of diagnosis": len(tumour.date or "") == 7,
            "tnm": bool(tumour.categories),
            "stage": any(row.axis == "stage" for row in tumour.categories),
            "pathological": any(row.pathological for row in tumour.categories),
            "grading": tumour.grading is not None,
            "markers": bool(tumour.markers),
            "side": course.side is not None,
            "technique": course.technique is not None,
            "boost or second volume": len(course.volumes) > 1,
            "third volume": len(course.volumes) > 2,
            "phases": bool(course.phases),
            "prescription": bool(course.planned),
            "stopped early": course.status == "stopped",
            "still running": course.status == "in-progress",
            "two courses": len(case.courses) > 1,
            "centigray": course.unit == "cGy",
            "procedures": bool(case.operations),
            "systemic therapy": bool(case.systemic),
            "dose of systemic therapy": any(row.dose for row in case.systemic),
            "cycles": any(row.cycles for row in case.systemic),
            "toxicity": bool(case.toxicities),
            "grade 3": any(row.grade == 3 for row in case.toxicities),
            "ecog": case.ecog is not None,
            "karnofsky": case.karnofsky is not None,
            "labs": bool(case.labs),
            "comorbidities": bool(case.comorbidities),
            "allergies asked for": case.allergies is not None,
            "allergies": bool(case.allergies),
            "medication": bool(case.medications),
            "appointments": bool(case.appointments),
            "plan": bool(case.plan),
            "imaging": any(row.imaging for row in case.plan),
        }

    seen = [parts(case) for case in MANY]
    always_or_never = [name for name in seen[0] if len({row[name] for row in seen}) == 1]

    assert always_or_never == []
