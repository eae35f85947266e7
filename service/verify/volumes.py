"""Doses and fractions in their role: which volume and which course the words beside them name.

Doses of volumes treated at once are never added (ICRU 83: each volume has its prescription); a boost
given after the first volume may be told as a sum, where the words say total.
"""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from service.model import Fact, FactType
from service.verify.book import Book, Group
from service.verify.desk import Desk
from service.verify.extract import Mention
from service.verify.numbers import as_number
from service.verify.outcome import Outcome, contradicted, settle, supported, unsupported
from service.verify.page import Range

_TOTAL = re.compile(r"gesamt|kumul|insgesamt|summ|total|cumul|overall|\bgd\b|gesamtdosis")
_BRACKET = re.compile(r"[^();\n]{0,60}\((?P<b>[^()]{3,60})\)")
_BOOST = re.compile(r"boost|tumorbett|aufsättig|tumou?r bed")


def same_number(mention: Mention, fact: Fact) -> bool:
    number = as_number(fact.value)
    if number is None:
        return False
    if fact.unit and fact.unit.lower() == "cgy":
        number /= 100
    # 40,05 Gy in 15 is 2.67 a fraction; charts hold it rounded or not
    near = Decimal("0.011") if mention.type == "dose_per_fraction" else Decimal(0)
    return any(abs(Decimal(value) - number) <= near for value in mention.values if _is_number(value))


def check_doses(desk: Desk, mentions: Sequence[Mention]) -> Iterable[Outcome]:
    """Judge total doses, doses per fraction and fractions, in the order they are written."""
    for mention in mentions:
        if mention.type == "dose":
            yield _total(desk, mentions, mention, desk.own.get(mention.start))
        elif mention.type == "dose_per_fraction":
            yield _per_fraction(desk, mentions, mention, desk.own.get(mention.start))
        else:
            yield _fractions(desk, mentions, mention, desk.own.get(mention.start))


def _total(desk: Desk, all_: Sequence[Mention], mention: Mention, own: Fact | None) -> Outcome:
    doses = desk.book.typed(FactType.DOSE)
    groups, strong = volume_of(desk, [m for m in all_ if m.type == "dose"], mention)
    role = _delivered(desk, [g.leaves["dose"] for g in groups if "dose" in g.leaves], mention)
    # a figure that only a dose per fraction explains ("mit 1,8 Gy bis ...")
    small = [f for f in desk.book.typed(FactType.DOSE_PER_FRACTION) if same_number(mention, f)]
    if small and not any(same_number(mention, f) for f in doses):
        return supported(mention, own or small[0])
    added = _sequential_sum(desk, mention)
    if added and not any(same_number(mention, f) for f in doses):
        return supported(mention, added)
    return _settled(desk, mention, role=role, strong=strong, pool=doses, own=own)


def _per_fraction(desk: Desk, all_: Sequence[Mention], mention: Mention, own: Fact | None) -> Outcome:
    singles = desk.book.typed(FactType.DOSE_PER_FRACTION)
    groups, strong = volume_of(desk, [m for m in all_ if m.type == mention.type], mention)
    role = [g.leaves["dose_per_fraction"] for g in groups if "dose_per_fraction" in g.leaves]
    if own is None and not any(same_number(mention, f) for f in role or singles):
        derived = _derived(desk.book, mention, groups or desk.book.of("volume"))
        if derived:
            return supported(mention, derived)
    return _settled(
        desk, mention, role=role, strong=strong, pool=singles, own=own, fallback=desk.book.typed(FactType.DOSE)
    )


def _fractions(desk: Desk, all_: Sequence[Mention], mention: Mention, own: Fact | None) -> Outcome:
    facts = desk.book.typed(FactType.FRACTIONS)
    groups, strong = volume_of(desk, [m for m in all_ if m.type == "fractions"], mention)
    of_volumes = [g.leaves["fractions"] for g in groups if "fractions" in g.leaves]
    of_courses = [course.leaves["fractions"] for course in _courses(desk.book, groups) if "fractions" in course.leaves]
    whole = _TOTAL.search(desk.page.part(desk.page.sentence_at(mention.start)))
    role = of_volumes if strong and of_volumes and not whole else of_volumes + of_courses
    role = _delivered(desk, role, mention)
    return _settled(desk, mention, role=role, strong=strong and bool(of_volumes), pool=facts, own=own)


def _settled(
    desk: Desk,
    mention: Mention,
    *,
    role: Sequence[Fact],
    strong: bool,
    pool: Sequence[Fact],
    own: Fact | None,
    fallback: Sequence[Fact] = (),
) -> Outcome:
    planned = "planned" in mention.label or mention.label == "of"
    if not planned:
        # what was only ordered is no answer where the sentence tells what was given
        given = [fact for fact in pool if not desk.book.is_planned(fact)]
        if given and len(given) < len(pool):
            role = [fact for fact in role if not desk.book.is_planned(fact)] or given
            pool = given
            strong = strong or (own is not None and desk.book.is_planned(own))
    outcome = settle(mention, role=role, strong=strong, pool=pool, same=same_number, own=own)
    if outcome:
        return outcome
    if (written := _in_chart_prose(desk.book, mention)) is not None:
        return supported(mention, written)
    meant = _nearest(mention, pool or fallback)
    return contradicted(mention, meant) if meant and pool else unsupported(mention)


def volume_of(desk: Desk, doses: Sequence[Mention], mention: Mention) -> tuple[list[Group], bool]:
    """The volumes whose dose a mention tells, and whether the sentence says so clearly.

    A bracket behind the dose decides. Else the words since the last dose (the nearest clause that names
    a volume) and the rest of its own clause: volumes stand before their doses or after them, and where
    both sides name different ones the sentence is not clear. Where nothing is named before the first
    dose of a sentence, volumes come after.

    Args:
        doses: the mentions of the same type, in order.
    """
    page, names = desk.page, desk.names
    several = len(desk.book.of("volume")) > 1
    sentence = page.sentence_at(mention.start)
    inside = [m for m in doses if sentence.holds(m.start, m.end)]
    index = next((i for i, m in enumerate(inside) if m.start == mention.start), 0)
    right = inside[index + 1].start if index + 1 < len(inside) else sentence.end
    if bracket := _bracket_after(desk, mention.end, right):
        groups = names.named("volume", bracket)
        return groups, several and len(groups) == 1
    left = sentence.start
    if index > 0:
        left = inside[index - 1].end
        left = bracket.end if (bracket := _bracket_after(desk, left, mention.start)) else left
    left = max(left, page.text.rfind(";", left, mention.start) + 1)  # a semicolon ends what was told of a volume
    end = max(page.clause_at(mention.start).end, mention.end)
    following = page.clause_at(end + 5)
    if re.fullmatch(r" (?:and|und) ", page.folded[end : following.start]) and following.end <= right:
        end = following.end  # "to the prostate and seminal vesicles"
    after = names.named("volume", Range(mention.end, min(right, end)))
    trailing = not names.named("volume", Range(sentence.start, inside[0].start)) if index > 0 else False
    before = [] if after and trailing else _named_before(desk, left, mention.start, sentence)
    if before and after and set(before) != set(after):
        common = [g for g in before if g in after]
        return (common or before + after), False
    groups = before or after
    return groups, several and len(groups) == 1


def _bracket_after(desk: Desk, start: int, end: int) -> Range | None:
    """A bracket that names a volume, with nothing but the dose's own words between: ``50 Gy in 25 fractions (prostate)``."""
    match = _BRACKET.match(desk.page.text, start, end)
    if match and desk.names.named("volume", Range(*match.span("b"))):
        return Range(*match.span("b"))
    return None


def _named_before(desk: Desk, left: int, right: int, sentence: Range) -> list[Group]:
    """The volumes of the nearest clause that names any."""
    clauses = [c for c in desk.page.clauses if c.start < right and c.end > left and c.start >= sentence.start]
    for area in reversed(clauses):
        if named := desk.names.named("volume", Range(max(area.start, left), min(area.end, right))):
            return named
    return []


def _courses(book: Book, volumes: Sequence[Group]) -> list[Group]:
    stems = {volume.stem.split(".volume.")[0] for volume in volumes}
    courses = book.of("course")
    return [c for c in courses if c.stem in stems] or courses


def _delivered(desk: Desk, facts: Sequence[Fact], mention: Mention) -> list[Fact]:
    """Facts of what was given first; of what was only ordered first where the words say planned."""
    wants_planned = "planned" in mention.label or mention.label == "of"
    return sorted(facts, key=lambda fact: desk.book.is_planned(fact) != wants_planned)


def _derived(book: Book, mention: Mention, volumes: Sequence[Group]) -> Fact | None:
    """The total dose whose division by its fractions gives this dose per fraction."""
    for volume in volumes:
        dose = volume.leaves.get("dose")
        course = book.facts.get(volume.stem.split(".volume.")[0] + ".fractions")
        fractions = volume.leaves.get("fractions") or course
        total, count = as_number(dose.value) if dose else None, as_number(fractions.value) if fractions else None
        if not (dose and total and count and _is_number(mention.value)):
            continue
        if abs(Decimal(mention.value) - total / count) <= Decimal("0.011"):
            return dose
    return None


def _sequential_sum(desk: Desk, mention: Mention) -> Fact | None:
    """The boost's dose, if first volume plus boost make this total and the words speak of a total or boost."""
    sentence = desk.page.part(desk.page.sentence_at(mention.start))
    if not (_TOTAL.search(sentence) or _BOOST.search(sentence)) or not _is_number(mention.value):
        return None
    wanted = Decimal(mention.value)
    for course in desk.book.of("course"):
        volumes = [g for g in desk.book.of("volume") if g.stem.startswith(course.stem + ".") and "dose" in g.leaves]
        counted = as_number(course.leaves["fractions"].value) if "fractions" in course.leaves else None
        for boost in volumes:
            for base in volumes:
                if base is boost:
                    continue
                added = _value(boost, "dose") + _value(base, "dose")
                one_after_other = (
                    counted is not None and _value(boost, "fractions") + _value(base, "fractions") == counted
                )
                small = "boost" in boost.keys and _value(boost, "dose") * 2 < _value(base, "dose")
                if added == wanted and (one_after_other or small):
                    return boost.leaves["dose"]
    return None


def _value(group: Group, leaf: str) -> Decimal:
    fact = group.leaves.get(leaf)
    return (as_number(fact.value) if fact else None) or Decimal(0)


def _nearest(mention: Mention, facts: Sequence[Fact]) -> Fact | None:
    """The fact most likely meant: the one whose value is closest."""
    if not facts or not _is_number(mention.value):
        return None
    wanted = Decimal(mention.value)
    return min(facts, key=lambda fact: abs((as_number(fact.value) or Decimal(0)) - wanted))


def _in_chart_prose(book: Book, mention: Mention) -> Fact | None:
    """A free-text fact that writes the same figure with the same unit."""
    written = " ".join(mention.text.lower().split())
    if not re.search(r"[a-z]", written):
        return None
    for fact in book.typed(FactType.TEXT, FactType.TERM, FactType.SCHEDULE):
        if written in fact.display.de.lower() or written in fact.display.en.lower():
            return fact
    return None


def _is_number(value: str) -> bool:
    return as_number(value) is not None
