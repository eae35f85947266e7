"""One invented patient from one seed: the parts put together so that their dates follow each other."""

from datetime import date, timedelta
from random import Random
from typing import Any, Literal

from service.model import Lang
from workers.training.synthetic.aftercare import invent_appointments, invent_medications, invent_plan
from workers.training.synthetic.bedside import (
    invent_allergies,
    invent_comorbidities,
    invent_labs,
    invent_performance,
    invent_toxicities,
)
from workers.training.synthetic.courses import invent_course
from workers.training.synthetic.people import invent_patient, invent_stay
from workers.training.synthetic.scenario import Course, Scenario, Side
from workers.training.synthetic.tables import SITES, chance, table, weighted
from workers.training.synthetic.therapy import (
    choose_regimen,
    first_day_of_therapy,
    invent_operations,
    invent_systemic,
    therapy_periods,
)
from workers.training.synthetic.tumour import invent_tumour

FIRST_DAY = date(2022, 1, 10)
LAST_DAY = date(2026, 6, 30)


def invent_scenario(seed: int, *, lang: Lang, site: str | None = None) -> Scenario:
    """The same scenario for the same arguments, on every machine. Raises KeyError for an unknown site."""
    rng = Random(seed)
    drawn = rng.choice(SITES)
    site = site or drawn
    if site not in SITES:
        raise KeyError(site)
    spec = table(f"sites/{site}", lang)
    arm = weighted(rng, spec["arms"])
    side: Side | None = rng.choice(["left", "right"]) if spec["paired"] else None
    first_day = FIRST_DAY + timedelta(days=rng.randrange((LAST_DAY - FIRST_DAY).days))
    course = invent_course(rng, lang, spec, arm, side=side, first_day=first_day, tumour=0)
    last = course.end or course.start + timedelta(days=course.fractions * 7 // 5 + 1)
    earlier = _earlier_course(rng, lang, spec, arm, course)
    admitted = max(course.start - timedelta(days=rng.randrange(0, 4)), last - timedelta(days=rng.randrange(3, 50)))
    discharged = last + timedelta(days=rng.randrange(0, 5))
    regimen = choose_regimen(rng, spec, arm)
    periods = therapy_periods(rng, course.start, last)
    operated = first_day_of_therapy(regimen, periods, course.start) - timedelta(days=rng.randrange(28, 50))
    diagnosed = operated - timedelta(days=rng.randrange(10, 35))
    patient = invent_patient(rng, seed, lang, spec, discharged)
    stay = invent_stay(rng, seed, lang, admitted=admitted, discharged=discharged, not_named=patient.family)
    ecog, karnofsky = invent_performance(rng, arm["intent"] == "palliative")
    resource: Literal["MedicationRequest", "MedicationStatement"] = (
        "MedicationStatement" if chance(rng, 0.2) else "MedicationRequest"
    )
    return Scenario(
        seed=seed,
        lang=lang,
        site=site,
        patient=patient,
        stay=stay,
        tumours=(invent_tumour(rng, lang, spec, arm, side=side, diagnosed=diagnosed),),
        courses=(*earlier, course),
        operations=invent_operations(rng, lang, spec, arm, diagnosed=diagnosed, operated=operated, end=discharged),
        systemic=invent_systemic(rng, lang, regimen, periods),
        toxicities=invent_toxicities(rng, lang, spec, course, last),
        ecog=ecog,
        karnofsky=karnofsky,
        labs=invent_labs(rng, lang, spec, admitted, discharged),
        comorbidities=invent_comorbidities(rng, lang),
        allergies=invent_allergies(rng, lang),
        medications=invent_medications(rng, lang),
        medication_resource=resource,
        appointments=invent_appointments(rng, lang, discharged),
        plan=invent_plan(rng, lang, spec, discharged),
    )


def _earlier_course(
    rng: Random, lang: Lang, spec: dict[str, Any], arm: dict[str, Any], course: Course
) -> tuple[Course, ...]:
    """In one case of ten the same side was irradiated before."""
    if not chance(rng, 0.1):
        return ()
    first_day = course.start - timedelta(days=rng.randrange(240, 1500))
    return (
        invent_course(rng, lang, spec, arm, side=course.side, first_day=first_day, tumour=course.tumour, may_run=False),
    )
