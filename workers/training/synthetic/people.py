"""Invented people, numbers and the hospital around them."""

from datetime import date, datetime, time, timedelta
from random import Random
from typing import Literal

from service.model import Lang
from workers.training.synthetic.scenario import Patient, Physician, Stay
from workers.training.synthetic.tables import chance, table

NUMBERS = 44_999_971
"""A prime: a smaller factor modulo it gives each seed below it another number."""


def case_number(seed: int, lang: Lang, factor: int) -> int:
    """Eight digits, different for each seed below ``NUMBERS``; even in German, odd in English.

    Different factors give numbers that tell nothing of each other, so that a control id holds no record number.
    """
    return 10_000_000 + (seed + 1) * factor % NUMBERS * 2 + (lang == "en")


def invent_patient(rng: Random, seed: int, lang: Lang, *, age: list[int], sex: str, discharge: date) -> Patient:
    """Somebody of the ages ``age`` (from, to) at ``discharge``; ``sex`` female, male or any."""
    names = table("names", lang)[lang]
    drawn: Literal["female", "male"] = rng.choice(["female", "male"])
    if sex in ("female", "male"):
        drawn = "female" if sex == "female" else "male"
    low, high = age
    years = round(rng.triangular(low, high, (low + high) / 2))
    birthday = discharge - timedelta(days=round(years * 365.25) + rng.randrange(10, 355))
    return Patient(
        family=_family(rng, names),
        given=rng.choice(names[drawn]),
        sex=drawn,
        birth_date=birthday,
        mrn=f"{case_number(seed, lang, 16_180_339)}",
    )


def invent_stay(rng: Random, seed: int, lang: Lang, *, admitted: date, discharged: date, not_named: str) -> Stay:
    """The visit; ``not_named`` is a family name that the physician must not share."""
    places = table("aftercare", lang)
    number = case_number(seed, lang, 27_182_819)
    return Stay(
        visit_number=f"47{number}" if lang == "de" else f"V{number}",
        start=datetime.combine(admitted, time(rng.randrange(7, 15), rng.randrange(0, 60))),
        end=datetime.combine(discharged, time(rng.randrange(15, 18), rng.randrange(0, 60))),
        ward=rng.choice(places["wards"]),
        department=rng.choice(places["departments"]),
        physician=_physician(rng, lang, not_named) if chance(rng, 0.9) else None,
        outpatient=chance(rng, 0.2),
    )


def _physician(rng: Random, lang: Lang, not_named: str) -> Physician:
    names = table("names", lang)[lang]
    family = next(name for name in iter(lambda: _family(rng, names), "") if name != not_named)
    return Physician(
        family=family,
        given=rng.choice(names[rng.choice(["female", "male"])]),
        title=rng.choice(names["titles"]),
        number=f"{rng.randrange(100_000, 999_999)}",
    )


def _family(rng: Random, names: dict[str, list[str]]) -> str:
    return rng.choice(names["heads"]) + rng.choice(names["tails"])
