"""What the patient leaves with: medication, appointments, and the plan."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from service.model import Lang
from workers.training.synthetic.courses import treatment_days
from workers.training.synthetic.scenario import Amount, Appointment, Medication, PlanItem, Term
from workers.training.synthetic.tables import chance, some, table
from workers.training.synthetic.therapy import ATC, UCUM_OF_DOSE


def invent_medications(rng: Random, lang: Lang, sex: str) -> tuple[Medication, ...]:
    if chance(rng, 0.15):
        return ()
    suitable = [row for row in table("medication", lang) if len(row) < 6 or row[5] in (lang, sex)]
    rows = some(rng, suitable, 1, 8)
    return tuple(
        Medication(
            drug=Term(text=name, code=atc, system=ATC),
            dose=Amount(value=Decimal(str(rng.choice(doses))), unit=unit, ucum=UCUM_OF_DOSE[unit]),
            schedule=rng.choice(schedules),
        )
        for atc, name, doses, unit, schedules, *_ in rows
    )


def invent_appointments(rng: Random, lang: Lang, discharged: date) -> tuple[Appointment, ...]:
    words = table("aftercare", lang)
    count = rng.choices([0, 1, 2, 3], weights=[3, 4, 3, 1])[0]
    rows = []
    day = discharged
    for service in rng.sample(words["services"], count):
        day = treatment_days(day + timedelta(days=rng.randrange(5, 40)), 1)[0]
        at = time(rng.randrange(8, 16), rng.choice([0, 15, 30, 45]))
        place = rng.choice(words["places"])
        rows.append(Appointment(service=service, start=datetime.combine(day, at), place=place))
    return tuple(rows)


def invent_plan(
    rng: Random, lang: Lang, spec: dict[str, Any], *, discharged: date, palliative: bool, systemic: bool
) -> tuple[PlanItem, ...]:
    """One to four next steps, rarely none; those of palliative care and of drugs only where there is reason."""
    if chance(rng, 0.1):
        return ()
    words = table("aftercare", lang)
    steps = [*spec.get("extra_plan", ()), *words["plan"]]
    steps += words["plan_palliative"] if palliative else []
    steps += words["plan_systemic"] if systemic else []
    imaging = some(rng, spec["imaging"], 0, 2)
    others = some(rng, steps, 0 if imaging else 1, 2)
    rows = []
    for what in imaging + others:
        day = discharged + timedelta(days=rng.randrange(14, 180))
        draw = rng.random()
        when = f"{day:%Y-%m}" if draw < 0.4 else treatment_days(day, 1)[0].isoformat() if draw < 0.8 else None
        rows.append(PlanItem(what=what, date=when, imaging=what in imaging))
    return tuple(rows)
