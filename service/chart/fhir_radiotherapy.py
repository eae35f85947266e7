"""Radiotherapy courses: mCODE's course summary and its phases, CodeX RT's planned course, oBDS courses.

In mCODE a course is a Procedure 1217123003; its phases (1222565005, ``partOf`` the course) are no courses. The
summary's doses stand. Where it gives none for a volume, the phases' doses to that volume are added,
since phases follow one another; doses to different volumes are never added (ICRU 83).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from service.chart.codes import OPS_SYSTEMS, Word, coded_value, has_profile, known_code, table, urls, word_of
from service.chart.dates import Moment
from service.chart.element import Concept, Element, Leaf
from service.chart.fhir_volumes import read_volumes, sources_of, whole_number
from service.chart.items import Item, Value
from service.chart.obds_volumes import irradiations, side_of, target_words, technique
from service.chart.records import Records, local
from service.chart.sides import side_of_site
from service.chart.values import a_code, a_count, a_date, a_word
from service.model import FactType
from service.radiotherapy import sequential_sum

_STATUSES = frozenset({"completed", "stopped", "in-progress", "on-hold", "preparation"})
MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition/"
_OBDS = ("https://www.medizininformatik-initiative.de/fhir/ext/modul-onko/", "http://dktk.dkfz.de/fhir/")


def is_radiotherapy(procedure: Element) -> bool:
    """A course, a phase, or a part of one; not to be told as another procedure."""
    code = procedure.concept("code")
    return bool(_role(procedure)) or bool(known_code(code, "radiotherapy")) or _is_coded_as_fraction(code)


def _is_coded_as_fraction(code: Concept | None) -> bool:
    """OPS 8-52: a hospital codes it once a fraction."""
    return code is not None and any(
        each.system in OPS_SYSTEMS and each.code.startswith(tuple(table("radiotherapy_ops"))) for each in code.codings
    )


def _role(procedure: Element) -> str:
    known = known_code(procedure.concept("code"), "course")
    if known:
        return str(known[1])
    category = procedure.concept("category") if isinstance(procedure.json.get("category"), dict) else None
    if has_profile(procedure, "course") or known_code(category, "course_category"):
        return "course"
    if irradiations(procedure) or procedure.extension(*urls("course")):
        return "course"
    return "course" if procedure.extension(*urls("dose_to_volume")) else ""


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
        parents = [home for home in parents if not home.startswith("Observation/")]
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
    irradiated = [one for each in told for one in irradiations(each)]
    if intent := _first(_intent(each) for each in told):
        values["intent"] = intent
    if used := _first(_technique(each) for each in told) or technique(irradiated):
        values["technique"] = used
    values |= _period(course, phases)
    if site := _targets(irradiated) or _first(_site(each) for each in told):
        values["site"] = site
    sides = (side_of_site(site) for each in told for site in _list(each, "bodySite"))
    if side := _first(sides) or _common_side(irradiated):
        values["side"] = side
    if sessions := _sessions(course, phases):
        values["fractions"] = a_count(FactType.FRACTIONS, sessions)
    if course and (status := _status(course)):
        values["status"] = status
    return Item(
        kind="course",
        key=course.home if course else phases[0].home,
        values=values,
        parts=tuple(read_volumes(course, phases, records)),
        date=values["start"].value if "start" in values else "",
    )


def _status(course: Element) -> Value | None:
    """The status; of an oBDS course that is over, whether it was broken off (outcome)."""
    told = course.text("status")
    ended = known_code(course.concept("outcome"), "end_reason") if "outcome" in course.json else None
    if ended and ended[0].system.startswith(_OBDS) and told and told.value in ("completed", "unknown"):
        return a_code(FactType.STATUS, str(ended[1]), ended[0].code_source)
    return a_code(FactType.STATUS, told.value, told.source) if told and told.value in _STATUSES else None


def _first(found: Iterable[Value | None]) -> Value | None:
    return next((each for each in found if each), None)


def _targets(irradiated: Sequence[Element]) -> Value | None:
    words = target_words(irradiated)
    return _joined(words) if words else None


def _common_side(irradiated: Sequence[Element]) -> Value | None:
    """The side of all irradiations that have one."""
    sides = [side for each in irradiated if (side := side_of(each))]
    return sides[0] if len({each.value for each in sides}) == 1 else None


def _intent(element: Element) -> Value | None:
    """Curative where it is more exactly adjuvant or neoadjuvant: that, from how it stands to the operation."""
    told = coded_value(element.extension(*urls("intent")))
    related = known_code(coded_value(element.extension(*urls("relation_to_surgery"))), "relation_to_surgery")
    intent = intent_value(told) if told and not known_code(told, "intent_unsaid") else None
    if related and (intent is None or intent.value == "curative"):
        return a_code(FactType.INTENT, str(related[1]), related[0].code_source)
    return intent


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
    extension = element.extension(*urls("sessions"))
    return whole_number(extension) if extension else None
