"""Radiotherapy courses whose doses, fractions and dates agree."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Literal

from service.model import Lang
from workers.training.synthetic.scenario import Course, Side, Term, Volume
from workers.training.synthetic.tables import chance, table, weighted
from workers.training.synthetic.tumour import SNOMED, with_side

CENTIGRAY = Decimal("0.01")
CLOSED = frozenset({(1, 1), (5, 1), (12, 24), (12, 25), (12, 26), (12, 31)})
"""Month and day of the holidays that fall on the same date every year."""
Status = Literal["completed", "stopped", "in-progress"]


def treatment_days(first: date, fractions: int, every: int = 1, pauses: tuple[int, ...] = ()) -> list[date]:
    """The days of ``fractions`` weekday fractions, each ``every`` weekdays; ``pauses``: indices of
    fractions that a public holiday or a service day put off by one weekday."""
    days = [_working_day(first)]
    for index in range(1, fractions):
        steps = every + (index in pauses)
        day = days[-1]
        for _ in range(steps):
            day = _working_day(day + timedelta(days=1))
        days.append(day)
    return days


def _working_day(day: date) -> date:
    """``day``, or the next one on which the clinic is open."""
    while day.weekday() > 4 or (day.month, day.day) in CLOSED:
        day += timedelta(days=1)
    return day


def read_volumes(scheme: dict[str, Any], side: Side | None, lang: Lang, target: str = "") -> tuple[Volume, ...]:
    """A scheme's volumes: name, total dose of that volume in Gy, fractions."""
    return tuple(
        Volume(name=with_side(name, side, lang, target), dose=Decimal(str(dose)), fractions=fractions)
        for name, dose, fractions in scheme["volumes"]
    )


def split_phases(volumes: tuple[Volume, ...]) -> tuple[tuple[Volume, ...], ...]:
    """The sequential phases behind total doses; one phase where all volumes have the same fractions.

    Each volume is treated from the first fraction to its last; in the first phase a boost volume
    receives the dose per fraction of the first volume, and the rest of its dose in the second.
    """
    first = min(volume.fractions for volume in volumes)
    if all(volume.fractions == first for volume in volumes):
        return (volumes,)
    per_fraction = next(volume.dose for volume in volumes if volume.fractions == first) / first
    opening = tuple(
        volume if volume.fractions == first else Volume(name=volume.name, dose=per_fraction * first, fractions=first)
        for volume in volumes
    )
    boost = tuple(
        Volume(name=volume.name, dose=volume.dose - per_fraction * first, fractions=volume.fractions - first)
        for volume in volumes
        if volume.fractions > first
    )
    return opening, boost


def deliver(volumes: tuple[Volume, ...], fractions: int) -> tuple[Volume, ...]:
    """What ``volumes`` have received after ``fractions`` fractions; a boost not yet begun is left out."""
    totals: dict[str, Volume] = {}
    done = 0
    for number, phase in enumerate(split_phases(volumes)):
        left = fractions - done
        if left <= 0:
            break
        for volume in phase:
            given = min(left, volume.fractions)
            before = totals.get(volume.name)
            dose = volume.dose / volume.fractions * given + (before.dose if before else 0)
            counted = given + (before.fractions if before else 0)
            totals[volume.name] = Volume(name=volume.name, dose=dose, fractions=counted)
        done += phase[0].fractions
        if number == 0 and fractions <= done:
            boosted = {volume.name for volume in volumes if volume.fractions > done}
            totals = {name: volume for name, volume in totals.items() if name not in boosted}
    return tuple(
        replace(totals[volume.name], dose=totals[volume.name].dose.quantize(CENTIGRAY).normalize())
        for volume in volumes
        if volume.name in totals
    )


def invent_course(
    rng: Random,
    lang: Lang,
    arm: dict[str, Any],
    treated: dict[str, Any],
    *,
    side: Side | None,
    first_day: date,
    tumour: int,
    may_run: bool = True,
) -> Course:
    """One course from ``first_day`` on, by one of the arm's schemes.

    ``treated``: ``snomed`` and ``site`` of the treated region and ``target``, the words for its volume;
    ``may_run``: the course may be stopped early or still run at discharge.
    """
    scheme = weighted(rng, arm["schemes"])
    prescribed = read_volumes(scheme, side, lang, with_side(treated["target"], side, lang))
    total = max(volume.fractions for volume in prescribed)
    status: Status = "completed"
    if may_run and total >= 10:
        outcomes: list[Status] = ["completed", "stopped", "in-progress"]
        status = rng.choices(outcomes, weights=[85, 10, 5])[0]
    given = total if status == "completed" else rng.randint(total // 3, total - 2)
    pauses = (rng.randrange(1, given),) if given > 8 and chance(rng, 0.25) else ()
    days = treatment_days(first_day, given, scheme.get("every", 1), pauses)
    words = table("words", lang)
    phases = split_phases(prescribed) if status == "completed" else ()
    return Course(
        intent=_coded(words["intents"][arm["intent"]]),
        modality=_coded(words["modalities"]["photons"]),
        technique=_coded(words["techniques"][rng.choice(scheme["technique"])]) if chance(rng, 0.95) else None,
        site=Term(text=treated["site"], code=treated["snomed"], system=SNOMED),
        side=side,
        start=days[0],
        end=None if status == "in-progress" else days[-1],
        status=status,
        volumes=prescribed if given == total else deliver(prescribed, given),
        planned=prescribed if chance(rng, 0.8 if status != "completed" else 0.2) else (),
        phases=phases if len(phases) > 1 and chance(rng, 0.5) else (),
        unit="cGy" if chance(rng, 0.15) else "Gy",
        tumour=tumour,
    )


def _coded(row: dict[str, Any]) -> Term:
    return Term(text=row["text"], code=row.get("code"), system=SNOMED, display=row.get("display"))
