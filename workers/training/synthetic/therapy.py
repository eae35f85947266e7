"""Systemic therapy and procedures, placed in time around the radiotherapy course."""

from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from service.model import Lang
from workers.training.synthetic.scenario import Amount, Operation, Systemic, Term, TherapyResource
from workers.training.synthetic.tables import chance, table, weighted
from workers.training.synthetic.tumour import SNOMED, rough_date

ATC = "http://www.whocc.no/atc"
OPS = "http://fhir.de/CodeSystem/bfarm/ops"
UCUM_OF_DOSE = {"mg": "mg", "mg/m2": "mg/m2", "mg/kg": "mg/kg", "µg": "ug", "µg/h": "ug/h"}


def drug_term(key: str, lang: Lang) -> Term:
    atc, name = table("drugs", lang)[key]
    return Term(text=name, code=atc, system=ATC)


Period = tuple[date, date | None]


def choose_regimen(rng: Random, arm: dict[str, Any]) -> str:
    """The name of one of the arm's regimens; ``none`` is a regimen too."""
    return rng.choices(list(arm["regimens"]), weights=list(arm["regimens"].values()))[0]


def therapy_periods(rng: Random, start: date, end: date) -> dict[str, Period]:
    """When a drug is given, by its table's ``when``, around a course from ``start`` to ``end``.

    ``first`` goes before ``before``; ``lead`` and ``ongoing`` have no end.
    """
    finish = start - timedelta(days=rng.randrange(18, 40))
    begin = finish - timedelta(days=rng.randrange(56, 100))
    first_finish = begin - timedelta(days=rng.randrange(14, 22))
    joined = start + timedelta(days=rng.randrange(0, 3))
    return {
        "first": (first_finish - timedelta(days=63), first_finish),
        "before": (begin, finish),
        "lead": (start - timedelta(days=rng.randrange(50, 100)), None),
        "ongoing": (start - timedelta(days=rng.randrange(7, 26)), None),
        "concurrent": (joined, max(joined, end - timedelta(days=rng.randrange(0, 9)))),
    }


def first_day_of_therapy(regimen: list[dict[str, Any]], periods: dict[str, Period], start: date) -> date:
    """The first day of drugs or, if that is earlier, of radiation."""
    return min([start, *(periods[row["when"]][0] for row in regimen)])


def invent_systemic(
    rng: Random, lang: Lang, regimen: list[dict[str, Any]], periods: dict[str, Period]
) -> tuple[Systemic, ...]:
    resource: TherapyResource = rng.choice(["MedicationAdministration", "MedicationStatement", "MedicationRequest"])
    return tuple(_drug(rng, lang, row, resource, periods[row["when"]]) for row in regimen)


def _drug(rng: Random, lang: Lang, row: dict[str, Any], resource: TherapyResource, period: Period) -> Systemic:
    begin, finish = period
    dose = Amount(value=Decimal(row["dose"]), unit=row["unit"], ucum=UCUM_OF_DOSE.get(row["unit"]))
    return Systemic(
        drug=drug_term(row["drug"], lang),
        dose=dose if chance(rng, 0.92) else None,
        rhythm=row["rhythm"] if chance(rng, 0.92) else None,
        cycles=rng.choice(row["cycles"]) if row.get("cycles") and chance(rng, 0.9) else None,
        start=rough_date(rng, begin, month=0.1 if finish else 0.25),
        end=finish.isoformat() if finish else None,
        resource=resource,
    )


def invent_operations(
    rng: Random, lang: Lang, spec: dict[str, Any], arm: dict[str, Any], *, diagnosed: date, operated: date, end: date
) -> tuple[Operation, ...]:
    """Biopsy, surgery of ``arm`` before (or, with ``after``, following) the course, and ports and tubes."""
    operations = []
    if spec.get("biopsy") and chance(rng, 0.45):
        operations.append(Operation(name=procedure_term(spec["biopsy"], lang), date=rough_date(rng, diagnosed)))
    for row in arm.get("surgery", ()):
        if chance(rng, row.get("odds", 0.95)):
            day = end + timedelta(days=rng.randrange(2, 5)) if row.get("after") else operated
            operations.append(Operation(name=procedure_term(row, lang), date=rough_date(rng, day, month=0.06)))
    extras = spec.get("extras", ())
    if extras and chance(rng, 0.3):
        row = weighted(rng, list(extras))
        day = operated + timedelta(days=rng.randrange(3, 12))
        operations.append(Operation(name=procedure_term(row, lang), date=day.isoformat()))
    return tuple(operations)


def procedure_term(row: dict[str, Any], lang: Lang) -> Term:
    code = row.get("ops" if lang == "de" else "snomed")
    return Term(text=row["name"], code=code, system=(OPS if lang == "de" else SNOMED) if code else None)
