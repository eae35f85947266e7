"""One invented patient from one seed: the parts put together so that their dates follow each other."""

from dataclasses import dataclass
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
from workers.training.synthetic.scenario import Course, Scenario, Side, Tumour
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


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """What was drawn from a site's table. ``primary``: the tumour behind treated metastases."""

    spec: dict[str, Any]
    arm: dict[str, Any]
    subsite: dict[str, Any]
    side: Side | None
    primary: dict[str, Any] | None
    drugs: list[dict[str, Any]]
    implied: dict[str, str]

    @property
    def treated(self) -> dict[str, Any]:
        treated: dict[str, Any] = self.subsite.get("treated") or self.spec["treated"]
        return treated | {"target": self.subsite.get("target", "")}


def invent_scenario(seed: int, *, lang: Lang, site: str | None = None) -> Scenario:
    """The same scenario for the same arguments, on every machine. Raises KeyError for an unknown site."""
    rng = Random(seed)
    drawn = rng.choice(SITES)
    site = site or drawn
    if site not in SITES:
        raise KeyError(site)
    choice = _choose(rng, lang, table(f"sites/{site}", lang))
    spec, arm = choice.spec, choice.arm
    first_day = FIRST_DAY + timedelta(days=rng.randrange((LAST_DAY - FIRST_DAY).days))
    treated = 1 if choice.primary else 0
    course = invent_course(rng, lang, arm, choice.treated, side=choice.side, first_day=first_day, tumour=treated)
    earlier = _earlier_courses(rng, lang, choice, course)
    last = course.end or course.start + timedelta(days=course.fractions * 7 // 5 + 1)
    admitted = max(course.start - timedelta(days=rng.randrange(0, 4)), last - timedelta(days=rng.randrange(3, 50)))
    discharged = last + timedelta(days=rng.randrange(0, 5))
    periods = therapy_periods(rng, course.start, last)
    operated = first_day_of_therapy(choice.drugs, periods, course.start) - timedelta(days=rng.randrange(28, 50))
    first_known = operated if not earlier else min(operated, earlier[0].start - timedelta(days=40))
    diagnosed = first_known - timedelta(days=rng.randrange(10, 35))
    patient = invent_patient(
        rng, seed, lang, age=spec["age"], sex=(choice.primary or spec)["sex"], discharge=discharged
    )
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
        tumours=_tumours(rng, lang, choice, diagnosed),
        courses=(*earlier, course),
        operations=invent_operations(rng, lang, spec, arm, diagnosed=diagnosed, operated=operated, end=discharged),
        systemic=invent_systemic(rng, lang, choice.drugs, periods),
        toxicities=invent_toxicities(rng, lang, spec, course, last),
        ecog=ecog,
        karnofsky=karnofsky,
        labs=invent_labs(rng, lang, spec, admitted, discharged),
        comorbidities=invent_comorbidities(rng, lang),
        allergies=invent_allergies(rng, lang),
        medications=invent_medications(rng, lang, patient.sex),
        medication_resource=resource,
        appointments=invent_appointments(rng, lang, discharged),
        plan=invent_plan(
            rng,
            lang,
            spec,
            discharged=discharged,
            palliative=arm["intent"] == "palliative",
            systemic=any(periods[row["when"]][1] is None for row in choice.drugs),
        ),
    )


def _choose(rng: Random, lang: Lang, spec: dict[str, Any]) -> _Choice:
    arm = weighted(rng, spec["arms"])
    subsite = weighted(rng, arm.get("subsites", spec["subsites"]))
    regimen = choose_regimen(rng, arm)
    drugs = list(spec["regimens"][regimen]) if regimen != "none" else []
    primary = None
    if "primaries" in spec:
        names = spec["primaries"]
        primary = table("primaries", lang)[rng.choices(list(names), weights=list(names.values()))[0]]
        drugs = [*(primary["therapy"] if chance(rng, 0.6) else ()), *drugs]
    return _Choice(
        spec=spec,
        arm=arm,
        subsite=subsite,
        side=_side(rng, subsite.get("paired", spec["paired"])),
        primary=primary,
        drugs=drugs,
        implied=spec.get("implies", {}).get(regimen, {}),
    )


def _tumours(rng: Random, lang: Lang, choice: _Choice, diagnosed: date) -> tuple[Tumour, ...]:
    """The treated tumour; before it, where metastases are treated, the long known primary."""
    spec = choice.spec | {key: choice.arm[key] for key in ("stages", "pathological") if key in choice.arm}
    if not choice.primary:
        tumour = invent_tumour(
            rng, lang, spec, choice.subsite, side=choice.side, diagnosed=diagnosed, implied=choice.implied
        )
        return (tumour,)
    known = diagnosed - timedelta(days=rng.randrange(60, 2000))
    side = _side(rng, choice.primary["paired"])
    return (
        invent_tumour(rng, lang, choice.primary, choice.primary, side=side, diagnosed=known),
        invent_tumour(rng, lang, spec, choice.subsite, side=choice.side, diagnosed=diagnosed, primary=False),
    )


def _earlier_courses(rng: Random, lang: Lang, choice: _Choice, course: Course) -> tuple[Course, ...]:
    """In one case of ten the same side was irradiated before."""
    if not chance(rng, 0.1):
        return ()
    first_day = course.start - timedelta(days=rng.randrange(240, 1500))
    before = invent_course(
        rng,
        lang,
        choice.arm,
        choice.treated,
        side=course.side,
        first_day=first_day,
        tumour=course.tumour,
        may_run=False,
    )
    return (before,)


def _side(rng: Random, paired: bool) -> Side | None:
    return rng.choice(["left", "right"]) if paired else None
