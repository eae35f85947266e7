"""Laterality: right, left and both sides, against the side of what the words beside them name."""

import re
from collections.abc import Iterable

from service.model import Fact, FactType
from service.verify.book import Book, Group
from service.verify.desk import Desk
from service.verify.extract import Mention
from service.verify.outcome import Outcome, contradicted, supported
from service.verify.page import Page, Range

_SIDE = re.compile(
    r"\b(?P<right>rechts(?:seitig\w*)?|rechte[nrsm]?|right(?:-sided)?)\b(?!-?(?:händ|hand|now|away|after|to\b))"
    r"|\b(?P<left>links(?:seitig\w*)?|linke[nrsm]?|left(?:-sided)?)\b(?!-?(?:händ|hand))"
    r"|\b(?P<bilateral>beidseits|beidseitig\w*|bds\b\.?|bilateral\w*|both sides)\b"
    r"|(?<=\s)(?P<re>re)\.(?=\s*[a-zäöü,;)\n]|\s*$)|(?<=\s)(?P<li>li)\.(?=\s*[a-zäöü,;)\n]|\s*$)"
)
_VERB = re.compile(
    r"\s+(?:the\s+(?:hospital|ward|clinic)|our|us|untreated|out|over|behind|in place|in situ|alone|ventric\w*|atri\w*|bundle)\b"
)
_OPPOSITE = re.compile(r"kontralateral|contralateral|gegenseit|gegenüberliegend|opposite|andere seite|other side")
_SIDE_WORDS = {
    "right": re.compile(r"\b(?:rechts|rechte[nrsm]?|right)"),
    "left": re.compile(r"\b(?:links|linke[nrsm]?|left)"),
    "bilateral": re.compile(r"\b(?:beidseit|bds|bilateral)"),
}
_KINDS = ("volume", "procedure", "comorbidity", "diagnosis", "course", "toxicity", "plan", "appointment")


def find_sides(page: Page) -> list[Mention]:
    """``value`` is right, left or bilateral. The English verb *left* and fixed anatomical terms are not sides."""
    found: list[Mention] = []
    for match in _SIDE.finditer(page.folded):
        kind = {"re": "right", "li": "left"}.get(match.lastgroup or "", match.lastgroup or "")
        if match[0] in ("left", "right"):
            before = page.folded[max(0, match.start() - 12) : match.start()]
            verb = re.search(r"\b(?:was|were|has|have|had|she|he|be|all|it|that's)\s+$", before)
            if _VERB.match(page.folded, match.end()) or (verb and not re.search(r"\b(?:was|were|be)\s+$", before)):
                continue
        start, end = match.span()
        found.append(Mention(type="laterality", start=start, end=end, text=page.text[start:end], values=(kind,)))
    return found


def check_sides(desk: Desk) -> Iterable[Outcome]:
    """A side must be that of the group named beside it; with none named, of anything in the chart."""
    sided = {group: sides for group in desk.book.groups if (sides := _sides(group, desk.book))}
    everywhere = {side: fact for sides in sided.values() for side, fact in sides.items()}
    loose = {side for side, pattern in _SIDE_WORDS.items() if pattern.search(desk.book.prose)}
    for mention in find_sides(desk.page):
        if mention.start in desk.own and desk.own[mention.start].type is FactType.LATERALITY:
            yield supported(mention, desk.own[mention.start])
            continue
        clause = desk.page.clause_at(mention.start)
        if _OPPOSITE.search(desk.page.part(clause)) or not everywhere:
            continue
        groups = [g for g in _beside(desk, mention, sided) if g in sided]
        fitting = next((sided[g][mention.value] for g in groups if mention.value in sided[g]), None)
        if fitting:
            yield supported(mention, fitting)
        elif groups:
            yield contradicted(mention, next(iter(sided[groups[0]].values())))
        elif mention.value in everywhere:
            yield supported(mention, everywhere[mention.value])
        elif mention.value not in loose:
            yield contradicted(mention, next(iter(everywhere.values())))


def _sides(group: Group, book: Book) -> dict[str, Fact]:
    """The sides a group has: its own fact, or the words of its names, or those of its course."""
    found = {fact.value: fact for fact in group.leaves.values() if fact.type is FactType.LATERALITY}
    course = book.facts.get(group.stem.split(".volume.")[0] + ".side") if group.kind == "volume" else None
    for fact in () if found else group.leaves.values():
        shown = f"{fact.display.de} | {fact.display.en}".lower()
        for side, pattern in _SIDE_WORDS.items():
            if pattern.search(shown):
                found[side] = course if course and course.value == side else fact
    if not found and course:
        found = {course.value: course}
    return found


def _beside(desk: Desk, mention: Mention, sided: dict[Group, dict[str, Fact]]) -> list[Group]:
    """Groups named within five words of the side, the closest word first deciding; else within the clause."""
    words = desk.page.words
    here = next((i for i, w in enumerate(words) if w.start >= mention.start), len(words))
    clause = desk.page.clause_at(mention.start)
    for reach in (1, 2, 3, 5):
        window = words[max(0, here - reach) : here + reach + 1]
        inside = [w for w in window if clause.start <= w.start < clause.end]
        if not inside:
            continue
        area = Range(inside[0].start, inside[-1].end)
        groups = [g for kind in _KINDS for g in desk.names.all_named(kind, area) if g in sided]
        if groups:
            return groups
    return []
