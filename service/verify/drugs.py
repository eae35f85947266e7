"""Drugs a letter names: each must be in the chart, and an allergy among the allergies."""

import re
from collections.abc import Iterable

from service.model import Fact, FactType
from service.verify.desk import Desk
from service.verify.extract import Mention
from service.verify.outcome import Outcome, contradicted, supported, unsupported
from service.verify.pharmacy import is_oncological

_ALLERGY = re.compile(r"allerg|unverträglich|intoleran|hypersensit|überempfindlich|cave")

_INTAKE = re.compile(
    r"medik|medicat|nimmt|erhielt|erhält|therap|behandl|receiv|treated|takes|taking|given|gegeben|\bmg\b"
)


def check_drugs(desk: Desk) -> Iterable[Outcome]:
    """A drug must be in the chart; one told as an allergy among the allergies, or the reverse."""
    told = {mention.value for mention in desk.drugs}
    for mention in desk.drugs:
        if mention.start in desk.own:
            yield supported(mention, desk.own[mention.start])
            continue
        facts = desk.pharmacy.by_substance.get(mention.value, [])
        allergic = _is_allergy(desk, mention)
        if facts:
            fitting = [f for f in facts if (f.type is FactType.ALLERGY) == allergic]
            if allergic and not fitting:
                yield unsupported(mention)
            else:
                yield supported(mention, (fitting or facts)[0])
        elif mention.value not in desk.pharmacy.elsewhere:
            swapped = _swapped(desk, mention, told, allergic)
            yield contradicted(mention, swapped) if swapped else unsupported(mention)


def _is_allergy(desk: Desk, mention: Mention) -> bool:
    """Whether the words tell the drug as an allergy: the last such word before it decides between allergy and
    intake, else the words behind it in its clause, else the heading."""
    page = desk.page
    before = page.folded[page.sentence_at(mention.start).start : mention.start]
    told = [*_ALLERGY.finditer(before), *_INTAKE.finditer(before)]
    if told:
        return max(told, key=lambda match: match.start()).re is _ALLERGY
    if _ALLERGY.search(page.folded[mention.end : max(page.clause_at(mention.start).end, mention.end)]):
        return True
    heading = page.heading_at(mention.start)
    return bool(_ALLERGY.search(heading)) and not _INTAKE.search(heading)


def _swapped(desk: Desk, mention: Mention, told: set[str], allergic: bool) -> Fact | None:
    """The chart's drug in whose place this one stands: told nowhere, of the same kind, and with its dose or rhythm beside."""
    unsaid = [
        fact for substance, facts in desk.pharmacy.by_substance.items() if substance not in told for fact in facts
    ]
    if allergic:
        return next((f for f in unsaid if f.type is FactType.ALLERGY), None)
    kind = "systemic" if is_oncological(mention.value) else "medication"
    beside = desk.page.part(desk.page.sentence_at(mention.start))
    for fact in unsaid:
        group = desk.book.group_of(fact)
        said = [
            f for leaf, f in group.leaves.items() if leaf != "drug" and f.display.in_(desk.page.lang).lower() in beside
        ]
        if said:
            return fact
    alike = [fact for fact in unsaid if desk.book.group_of(fact).kind == kind]
    return alike[0] if len(alike) == 1 and kind == "systemic" else None
