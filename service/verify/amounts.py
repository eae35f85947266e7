"""Amounts of drugs and intake schedules, each belonging to the drug named nearest."""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from service.model import Fact, FactType, Severity
from service.verify.desk import Desk
from service.verify.extract import Mention
from service.verify.numbers import WORD_PATTERN, as_number, canonical, parse
from service.verify.outcome import Outcome, contradicted, supported, unsupported
from service.verify.page import Page

_AMOUNT = re.compile(
    r"(?<![\w.,/])(?P<n>\d{1,7}(?:[.,]\d{1,3})?)\s?(?P<u>(?:mg|µg|μg|mcg|ug|g|ml|mio\.?\s?(?:i\.?e\.?|iu)|i\.?e\.?|iu|auc|kiu|tropfen|drops|hub)"
    r"(?:\s?/\s?(?:m²|m2|qm|kg(?:\s?kg)?|d\b|tag\b|day\b|h\b))?)(?![\w/²])(?P<rest>\s?/\s?(?:d?l|ml|nl|µl|μl)\b)?|\bauc\s?(?P<a>\d(?:[.,]\d)?)\b"
)
_SCHEDULE = re.compile(
    r"(?<![\w.,/-])(?:\d|½|1/2)(?:[.,]5)?\s?[-–]\s?(?:\d|½|1/2)(?:[.,]5)?\s?[-–]\s?(?:\d|½|1/2)(?:[.,]5)?(?:\s?[-–]\s?(?:\d|½|1/2))?(?![\w.,/-])"
)
_CYCLES = re.compile(
    rf"(?P<n>(?<![\w.,/-])\d{{1,2}}|\b(?:{WORD_PATTERN}))\s+(?:zyklen|cycles|kurse|courses of chemo\w*)\b"
)
_AREA_UNIT = {"qm": "m2", "m²": "m2", "kgkg": "kg", "μg": "ug", "µg": "ug", "mcg": "ug"}


_LABELLED = {"schedule": FactType.SCHEDULE, "cycles": FactType.CYCLES}


def find_amounts(page: Page) -> list[Mention]:
    """Amounts with a drug's unit; not what is told per litre, which is a laboratory value."""
    found: list[Mention] = []
    for match in _AMOUNT.finditer(page.folded):
        if match["rest"]:
            continue
        figure, unit = (match["a"], "auc") if match["a"] else (match["n"], match["u"])
        number = parse(figure, thousands=unit.startswith(("i", "mg", "ug", "µ")))
        if number is None or (unit == "g" and number > 50):
            continue
        text = page.text[match.start() : match.end()]
        found.append(
            Mention(
                type="drug_dose",
                start=match.start(),
                end=match.end(),
                text=text,
                values=(canonical(number),),
                label=_unit(unit),
            )
        )
    for match in _SCHEDULE.finditer(page.text):
        value = _schedule(match[0])
        found.append(
            Mention(
                type="drug_dose", start=match.start(), end=match.end(), text=match[0], values=(value,), label="schedule"
            )
        )
    for match in _CYCLES.finditer(page.folded):
        number = parse(match["n"])
        if number is not None:
            start, end = match.span("n")
            found.append(
                Mention(
                    type="drug_dose",
                    start=start,
                    end=end,
                    text=page.text[start:end],
                    values=(canonical(number),),
                    label="cycles",
                )
            )
    return sorted(found, key=lambda mention: mention.start)


def _unit(unit: str) -> str:
    compact = re.sub(r"[\s.]", "", unit.lower())
    for written, meant in _AREA_UNIT.items():
        compact = compact.replace(written, meant)
    return re.sub(r"/(?:d|tag|day)$", "", compact).replace("iu", "ie")


def _schedule(text: str) -> str:
    parts = re.split(r"[-–]", re.sub(r"\s", "", text).replace("1/2", "½"))
    return "-".join(parts[:3] if len(parts) == 4 and parts[3] == "0" else parts)


def check_amounts(desk: Desk, amounts: Sequence[Mention]) -> Iterable[Outcome]:
    """An amount belongs to the drug named nearest before it in its sentence, else after it."""
    for mention in amounts:
        if mention.label == "cycles" and not desk.book.typed(FactType.CYCLES):
            continue  # nothing to hold it against
        group_facts = _of_drug(desk, mention)
        if mention.start in desk.own:
            fact = desk.own[mention.start]
            role = [f for f in group_facts if f.type is fact.type]
            foreign = role and fact not in role and fact.value not in {f.value for f in role}
            yield contradicted(mention, role[0]) if foreign else supported(mention, fact)
            continue
        if group_facts and (mention.label != "cycles" or any(f.type is FactType.CYCLES for f in group_facts)):
            yield _amount(mention, group_facts)
            continue
        pool = [
            f
            for f in desk.book.typed(FactType.DRUG_DOSE, FactType.SCHEDULE, FactType.DRUG, FactType.CYCLES)
            if _says(f, mention)
        ]
        if pool:
            yield supported(mention, pool[0])
        elif not desk.book.says(mention.text) and _nearest_drug(desk, mention) is None:
            yield unsupported(mention, severity=Severity.WARN if mention.label in _LABELLED else None)


def _amount(mention: Mention, facts: Sequence[Fact]) -> Outcome:
    for fact in facts:
        if _says(fact, mention):
            return supported(mention, fact)
    wanted = _LABELLED.get(mention.label, FactType.DRUG_DOSE)
    meant = next((f for f in facts if f.type is wanted), None)
    return contradicted(mention, meant) if meant else unsupported(mention)


def _of_drug(desk: Desk, mention: Mention) -> list[Fact]:
    nearest = _nearest_drug(desk, mention)
    if nearest is None:
        return []
    facts: list[Fact] = []
    for fact in desk.pharmacy.by_substance.get(nearest.value, []):
        if fact.type is FactType.DRUG:
            facts += [f for f in desk.book.group_of(fact).leaves.values() if f.type is not FactType.DATE]
    return facts


def _nearest_drug(desk: Desk, mention: Mention) -> Mention | None:
    sentence = desk.page.sentence_at(mention.start)
    inside = [d for d in desk.drugs if sentence.holds(d.start, d.end)]
    before = [d for d in inside if d.end <= mention.start]
    after = [d for d in inside if d.start >= mention.end]
    if before and after:
        clause = desk.page.clause_at(mention.start)
        # "40 mg Pantoprazol, 5 mg Ramipril": amounts stand before their drugs
        if not any(clause.holds(d.start, d.end) for d in before) and clause.holds(after[0].start, after[0].end):
            return after[0]
    return before[-1] if before else (after[0] if after else None)


def _says(fact: Fact, mention: Mention) -> bool:
    """Whether a fact states this amount: its value and unit, or its own words do."""
    if mention.label == "cycles":
        return fact.type is FactType.CYCLES and as_number(fact.value) == Decimal(mention.value)
    if mention.label == "schedule":
        return mention.value in (_schedule(m[0]) for m in _SCHEDULE.finditer(f"{fact.display.de} ; {fact.value}"))
    if fact.type is FactType.DRUG_DOSE and (number := as_number(fact.value)) is not None:
        unit = _unit(re.sub(r"[{\[].*?[}\]]", "", fact.unit or "")) or _unit(_tail(fact.display.de))
        if number == Decimal(mention.value) and (
            not unit or unit == mention.label or unit.startswith(mention.label + "/")
        ):
            return True
        if unit and {unit, mention.label} == {"g", "mg"}:
            factor = Decimal(1000) if mention.label == "g" else Decimal("0.001")
            return number == Decimal(mention.value) * factor
    for shown in (fact.display.de, fact.display.en, fact.value):
        for match in _AMOUNT.finditer(shown.lower()):
            figure = match["n"] or match["a"]
            unit = _unit(match["u"] or "auc")
            number = parse(figure, thousands=unit.startswith(("i", "mg", "ug")))
            if number == Decimal(mention.value) and unit.split("/")[0] == mention.label.split("/")[0]:
                return True
    return False


def _tail(text: str) -> str:
    return re.sub(r"^[\d.,\s]*", "", text)
