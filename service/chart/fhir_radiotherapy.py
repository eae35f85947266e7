"""Radiotherapy courses: mCODE's course summary and its phases, CodeX RT's planned course.

A course is a Procedure 1217123003; its phases (1222565005, ``partOf`` the course) are no courses. The
summary's doses stand. Where it gives none for a volume, the phases' doses to that volume are added,
since phases follow one another; doses to different volumes are never added (ICRU 83).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from service.chart.codes import Word, known_code, table, word_of
from service.chart.dates import Moment
from service.chart.element import Concept, Element, Leaf
from service.chart.fhir_volumes import CODEX, DOSES, MCODE, read_volumes, sources_of, whole_number
from service.chart.items import Item, Value
from service.chart.records import Records, local
from service.chart.sides import side_of_site
from service.chart.values import a_code, a_count, a_date, a_word
from service.model import FactType
from service.radiotherapy import sequential_sum

_STATUSES = frozenset({"completed", "stopped", "in-progress", "on-hold", "preparation"})
_SESSIONS = (
    f"{MCODE}mcode-radiotherapy-sessions",
    f"{CODEX}codexrt-radiotherapy-sessions",
    f"{MCODE}mcode-radiotherapy-fractions-delivered",
    f"{CODEX}codexrt-radiotherapy-fractions-delivered",
    f"{CODEX}codexrt-radiotherapy-fractions-planned",
    f"{CODEX}codexrt-radiotherapy-fractions-prescribed",
)


def is_radiotherapy(procedure: Element) -> bool:
    """A course, a phase, or a part of one; not to be told as another procedure."""
    return bool(_role(procedure)) or bool(known_code(procedure.concept("code"), "radiotherapy"))


def _role(procedure: Element) -> str:
    known = known_code(procedure.concept("code"), "course")
    if known:
        return str(known[1])
    return "course" if any(procedure.extensions(url) for url in DOSES) else ""


def read_courses(records: Records) -> Iterator[Item]:
    procedures = [each for each in records.of("Procedure") if _role(each)]
    homes = {each.home for each in procedures}
    parts: dict[str, list[Element]] = {}
    whole: list[Element] = []
    for each in procedures:
        parents = (
            [local(reference.word("reference")) for reference in each.children("partOf")]
            if "partOf" in each.json
            else []
        )
        parent = next((home for home in parents if home in homes), parents[0] if parents else "")
        if parent and parent != each.home:
            parts.setdefault(parent, []).append(each)
        elif _role(each) == "phase":
            parts.setdefault("", []).append(each)
        else:
            whole.append(each)
    known = {each.home for each in whole}
    delivered = [_course(each, parts.get(each.home, []), records) for each in whole]
    for parent, phases in parts.items():
        if parent not in known and not any(parent == each.home for each in procedures):
            delivered.append(_course(None, phases, records))
    yield from delivered
    yield from _planned(records, whole, delivered)


def _planned(records: Records, whole: Sequence[Element], delivered: Sequence[Item]) -> Iterator[Item]:
    """Ordered courses of which nothing was delivered."""
    based = {local(each.word("reference")) for course in whole for each in _list(course, "basedOn")}
    orphans = [item for course, item in zip(whole, delivered, strict=False) if not _list(course, "basedOn")]
    for request in records.of("ServiceRequest"):
        if not is_radiotherapy(request) or request.home in based or request.word("status") in ("revoked", "draft"):
            continue
        if "partOf" in request.json or _part_of_another(request, records):
            continue
        item = _course(request, [], records)
        if any(_alike(item, each) for each in orphans):
            continue
        values = {**item.values, "status": a_code(FactType.STATUS, "planned", f"{request.home}#status")}
        yield replace(item, values=values, rank=1)


def _list(element: Element, name: str) -> list[Element]:
    return element.children(name) if name in element.json else []


def _part_of_another(request: Element, records: Records) -> bool:
    """A phase's prescription, based on the course's."""
    known = known_code(request.concept("code"), "course")
    return bool(known and known[1] == "phase")


def _alike(one: Item, other: Item) -> bool:
    for leaf in ("site", "side"):
        mine, theirs = one.values.get(leaf), other.values.get(leaf)
        if mine and theirs and mine.value.casefold() != theirs.value.casefold() and mine.code != theirs.code:
            return False
    return True


def _course(course: Element | None, phases: Sequence[Element], records: Records) -> Item:
    told = [*([course] if course else []), *phases]
    values: dict[str, Value] = {}
    if intent := _first(_intent(each) for each in told):
        values["intent"] = intent
    if technique := _first(_technique(each) for each in told):
        values["technique"] = technique
    values |= _period(course, phases)
    if site := _first(_site(each) for each in told):
        values["site"] = site
    if side := _first(side_of_site(site) for each in told for site in _list(each, "bodySite")):
        values["side"] = side
    if sessions := _sessions(course, phases):
        values["fractions"] = a_count(FactType.FRACTIONS, sessions)
    status = course.text("status") if course else None
    if status and status.value in _STATUSES:
        values["status"] = a_code(FactType.STATUS, status.value, status.source)
    return Item(
        kind="course",
        key=course.home if course else phases[0].home,
        values=values,
        parts=tuple(read_volumes(course, phases, records)),
        date=values["start"].value if "start" in values else "",
    )


def _first(found: Iterable[Value | None]) -> Value | None:
    return next((each for each in found if each), None)


def _intent(element: Element) -> Value | None:
    extension = element.extension(f"{MCODE}mcode-procedure-intent", f"{MCODE}mcode-treatment-intent")
    concept = extension.concept("valueCodeableConcept", at="value") if extension else None
    return intent_value(concept) if concept else None


def intent_value(concept: Concept) -> Value | None:
    """An intent by its code, else by its words; words that no table knows stand as they are."""
    words: Mapping[str, str] = table("intent")
    for coding in concept.codings:
        if coding.code in words:
            return a_code(FactType.INTENT, words[coding.code], f"{coding.source}.code")
    said = word_of(concept)
    if said is None:
        return None
    known = next((words[each] for each in said.value.casefold().replace("-", " ").split() if each in words), None)
    return a_code(FactType.INTENT, known, said.source) if known else a_word(FactType.INTENT, said)


def _technique(element: Element) -> Value | None:
    """The techniques of a course, joined where it used several; its modality where none is told."""
    groups = element.extensions(f"{MCODE}mcode-radiotherapy-modality-and-technique")
    for name in ("technique", "modality"):
        urls = (f"{MCODE}mcode-radiotherapy-{name}", name)
        found = [
            word
            for group in groups
            for url in urls
            for each in group.extensions(url)
            if (word := word_of(each.concept("valueCodeableConcept", at="value"), "technique"))
        ]
        if found:
            return _joined(list({each.display.de: each for each in found}.values()))
    return None


def _joined(words: Sequence[Word]) -> Value:
    first = a_word(FactType.TERM, words[0])
    if len(words) == 1:
        return first
    return replace(
        first,
        value=" + ".join(each.value for each in words),
        display=replace(
            first.display,
            de=" + ".join(each.display.de for each in words),
            en=" + ".join(each.display.en for each in words),
        ),
        source=" + ".join(each.source for each in words),
    )


def _period(course: Element | None, phases: Sequence[Element]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    start, end = _when(course) if course else (None, None)
    if start is None:
        starts = [each for phase in phases if (each := _when(phase)[0])]
        start = min(starts, key=lambda leaf: leaf.value.utc, default=None)
    if end is None and (course is None or course.word("status") not in ("in-progress", "on-hold", "preparation")):
        ends = [each for phase in phases if (each := _when(phase)[1])]
        end = max(ends, key=lambda leaf: leaf.value.utc, default=None)
    if start:
        values["start"] = a_date(start)
    if end:
        values["end"] = a_date(end)
    return values


def _when(element: Element) -> tuple[Leaf[Moment] | None, Leaf[Moment] | None]:
    name = "occurrence" if element.home.startswith("ServiceRequest/") else "performed"
    return element.period(name)


def _site(element: Element) -> Value | None:
    words = [word for each in (element.concepts("bodySite")) if (word := word_of(each, "site"))]
    return _joined(list({each.display.de: each for each in words}.values())) if words else None


def _sessions(course: Element | None, phases: Sequence[Element]) -> Leaf[Decimal] | None:
    own = _count(course) if course else None
    if own:
        return own
    counts = [each for phase in phases if (each := _count(phase))]
    if not counts or len(counts) != len(phases):
        return None
    return Leaf(value=sequential_sum(each.value for each in counts), source=sources_of(counts))


def _count(element: Element) -> Leaf[Decimal] | None:
    extension = element.extension(*_SESSIONS)
    return whole_number(extension) if extension else None
