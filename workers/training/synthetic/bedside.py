"""Toxicity, performance, laboratory, comorbidities and allergies."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from service.model import Lang
from workers.training.synthetic.scenario import Amount, Course, Lab, Term, Toxicity
from workers.training.synthetic.tables import chance, some, table
from workers.training.synthetic.tumour import LOINC, SNOMED, icd10_system

MEDDRA = "https://www.meddra.org"


def invent_toxicities(
    rng: Random, lang: Lang, spec: dict[str, Any], course: Course, last: date
) -> tuple[Toxicity, ...]:
    """CTCAE v5 toxicities seen during ``course``, until ``last``."""
    if chance(rng, 0.15):
        return ()
    terms = table("toxicity", lang)
    rows = []
    for key in some(rng, spec["toxicity"], 1, 3):
        grade = min(terms[key]["worst"], rng.choices([1, 2, 3], weights=[5, 4, 1])[0])
        day = course.start + timedelta(days=rng.randint(0, max(0, (last - course.start).days)))
        rows.append(
            Toxicity(term=Term(text=terms[key]["term"], code=terms[key]["code"], system=MEDDRA), grade=grade, date=day)
        )
    return tuple(rows)


def invent_performance(rng: Random, palliative: bool) -> tuple[int | None, int | None]:
    """ECOG and Karnofsky: one of them, rarely both, sometimes neither; both agree."""
    ecog = rng.choices([0, 1, 2, 3], weights=[1, 4, 4, 2] if palliative else [5, 5, 1, 0])[0]
    karnofsky = {0: [90, 100], 1: [80, 90], 2: [60, 70], 3: [40, 50]}[ecog]
    kind = rng.choices(["ecog", "karnofsky", "both", "none"], weights=[6, 3, 1, 2])[0]
    return (
        ecog if kind in ("ecog", "both") else None,
        rng.choice(karnofsky) if kind in ("karnofsky", "both") else None,
    )


def invent_labs(rng: Random, lang: Lang, spec: dict[str, Any], first: date, last: date) -> tuple[Lab, ...]:
    if chance(rng, 0.15):
        return ()
    names = table("labs", lang)
    day = max(first, last - timedelta(days=rng.randrange(0, 6)))
    taken = datetime.combine(day, time(7, rng.randrange(0, 60)))
    return tuple(_lab(rng, names[key], taken) for key in some(rng, spec["labs"], 2, 5))


def _lab(rng: Random, row: dict[str, Any], taken: datetime) -> Lab:
    low, high = row["range"]
    places = Decimal(1).scaleb(-row["decimals"])
    value = Decimal(str(rng.triangular(low, high, (2 * low + high) / 3))).quantize(places)
    normal_low, normal_high = row["normal"]
    return Lab(
        name=Term(text=row["name"], code=row["loinc"], system=LOINC),
        amount=Amount(value=value, unit=row["unit"], ucum=row["ucum"]),
        taken=taken,
        interpretation="L" if value < normal_low else "H" if value > normal_high else "N",
    )


def invent_comorbidities(rng: Random, lang: Lang) -> tuple[Term, ...]:
    rows = some(rng, table("comorbidities", lang), 0, 4)
    return tuple(Term(text=name, code=code, system=icd10_system(lang)) for code, name in rows)


def invent_allergies(rng: Random, lang: Lang) -> tuple[Term, ...] | None:
    """None: not recorded; empty: none known."""
    kind = rng.choices(["unrecorded", "none", "some"], weights=[3, 4, 3])[0]
    if kind == "unrecorded":
        return None
    rows = some(rng, table("allergies", lang), 1, 2) if kind == "some" else []
    return tuple(Term(text=name, code=code, system=SNOMED if code else None) for code, name in rows)
