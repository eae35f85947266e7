"""The FHIR resources of one visit: found by type and by reference, other visits' and patients' left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from service.chart.dates import Moment, read_fhir
from service.chart.element import Element, Leaf, read_resource
from service.ports import Resource

_ENCOUNTER_AT = ("encounter", "context")
_PATIENT_AT = ("subject", "patient", "individual")
_DEAD = frozenset({"entered-in-error", "cancelled", "not-done", "not-taken", "rejected", "noshow", "nullified"})


@dataclass(frozen=True, kw_only=True)
class Records:
    """``of`` lists a type's resources that belong to the visit, ``resolve`` follows any reference."""

    kept: Mapping[str, Sequence[Element]]
    everything: Mapping[str, Element]
    patient: Element | None
    encounter: Element | None
    notes: list[str] = field(default_factory=list)

    def of(self, kind: str) -> Sequence[Element]:
        return self.kept.get(kind, ())

    def resolve(self, reference: str, within: Element) -> Element | None:
        """The resource that ``within`` points to; contained ones too."""
        if reference.startswith("#"):
            home = self.everything.get(within.home)
            contained = home.children("contained") if home else []
            return next((each for each in contained if each.word("id") == reference[1:]), None)
        return self.everything.get(local(reference))

    def end_of_stay(self) -> Leaf[Moment] | None:
        period = self.encounter.child("period") if self.encounter else None
        return period.moment("end") if period else None


def local(reference: str) -> str:
    """``Type/id`` of an absolute or versioned reference; others as they are."""
    parts = reference.split("/_history/", maxsplit=1)[0].split("/")
    return "/".join(parts[-2:]) if len(parts) >= 2 else reference


def is_dead(resource: Element) -> bool:
    """Entered in error, refuted, cancelled or not done: nothing that a letter may tell."""
    if resource.word("status") in _DEAD or resource.word("docStatus") in _DEAD:
        return True
    for name in ("verificationStatus", "clinicalStatus"):
        concept = resource.child(name)
        codings = concept.children("coding") if concept else []
        if {each.word("code") for each in codings} & {"entered-in-error", "refuted"}:
            return True
    return False


def gather(resources: Sequence[Resource], *, visit_key: str | None, visit_number: str = "") -> Records:
    """Choose the visit and keep what belongs to it.

    Args:
        visit_key: ``authority|visit number``, or ``authority|patient|admission time``.
        visit_number: what HL7 messages say, for choosing where no key is given.
    """
    notes: list[str] = []
    read = _newest_versions([read_resource(each, notes) for each in resources])
    everything = {each.home: each for each in reversed(read)}
    alive = [each for each in read if not is_dead(each)]
    visit = _visit(alive, visit_key, visit_number, notes)
    patient = _patient(alive, everything, visit, notes)
    ours = _bound_to(visit, alive)
    has_visit = visit is not None or bool(visit_key)
    kept: dict[str, list[Element]] = {}
    for each in alive:
        kind = each.home.split("/")[0]
        if kind == "Patient" and patient and each.home != patient.home:
            continue
        if _of_another_patient(each, patient, everything):
            continue
        if has_visit and _of_another_visit(each, ours, everything):
            continue
        kept.setdefault(kind, []).append(each)
    return Records(kept=kept, everything=everything, patient=patient, encounter=visit, notes=notes)


def _newest_versions(read: Sequence[Element]) -> list[Element]:
    """Of two versions of one resource, told by ``meta.lastUpdated``, the newer; what has none stays."""
    newest: dict[str, Moment] = {}
    for each in read:
        told = _updated(each)
        if told and (each.home not in newest or told.utc > newest[each.home].utc):
            newest[each.home] = told
    return [each for each in read if not (told := _updated(each)) or told.utc == newest[each.home].utc]


def _updated(each: Element) -> Moment | None:
    meta = each.json.get("meta")
    told = meta.get("lastUpdated") if isinstance(meta, dict) else None
    return read_fhir(told) if isinstance(told, str) else None


def _visit(alive: Sequence[Element], key: str | None, number: str, notes: list[str]) -> Element | None:
    encounters = [each for each in alive if each.home.startswith("Encounter/")]
    if key:
        authority, _, rest = key.partition("|")
        matching = [each for each in encounters if _has_number(each, rest.replace("%7C", "|"))]
        if "|" in rest:
            at = rest.rpartition("|")[2]
            matching = [each for each in encounters if _started(each, at)]
        named = [each for each in matching if _has_system(each, authority)]
        unnumbered = [each for each in encounters if not each.children("identifier")]
        if not matching and encounters and not (len(encounters) == 1 and unnumbered):
            notes.append("Encounter.identifier: none is the visit asked for; other visits' records left out")
            return None
        encounters = named or matching or encounters
    elif number:
        encounters = [each for each in encounters if _has_number(each, number)] or encounters
    if not encounters:
        return None
    parents = [each for each in encounters if not each.reference("partOf")] or encounters
    finished = [each for each in parents if each.word("status") == "finished"] or parents
    return max(finished, key=_time_of)


def _time_of(encounter: Element) -> tuple[str, str]:
    period = encounter.child("period")
    start, end = (period.moment("start"), period.moment("end")) if period else (None, None)
    return (end.value.utc if end else start.value.utc if start else "", start.value.utc if start else "")


def _has_number(encounter: Element, number: str) -> bool:
    return any(each.word("value") == number for each in encounter.children("identifier"))


def _has_system(encounter: Element, authority: str) -> bool:
    systems = [each.word("system") for each in encounter.children("identifier")]
    return bool(authority) and any(authority.casefold() in system.casefold() for system in systems)


def _started(encounter: Element, at: str) -> bool:
    """The key's time is in UTC, in which an admission by the day alone lies on the day before."""
    period = encounter.child("period")
    start = period.moment("start") if period else None
    admitted = read_fhir(at)
    return bool(start and admitted and start.value.date == admitted.date)


def _patient(
    alive: Sequence[Element], everything: Mapping[str, Element], visit: Element | None, notes: list[str]
) -> Element | None:
    if visit and (found := everything.get(local(visit.reference("subject")))):
        return found
    patients = list({each.home: each for each in alive if each.home.startswith("Patient/")}.values())
    if len(patients) > 1:
        notes.append("Patient: several, and no visit says which; the first is taken")
    return patients[0] if patients else None


def _bound_to(visit: Element | None, alive: Sequence[Element]) -> frozenset[str]:
    """The visit's encounter and those that are part of it."""
    if visit is None:
        return frozenset()
    ours = {visit.home}
    parts = [each for each in alive if each.home.startswith("Encounter/")]
    for _ in range(3):
        ours |= {each.home for each in parts if local(each.reference("partOf")) in ours}
    return frozenset(ours)


def _of_another_visit(each: Element, ours: frozenset[str], everything: Mapping[str, Element]) -> bool:
    if each.home.startswith("Encounter/"):
        return bool(ours) and each.home not in ours
    if each.home.startswith("Condition/") and _on_the_problem_list(each):
        return False
    bound = [local(each.reference(name)) for name in _ENCOUNTER_AT if name in each.json]
    known = [home for home in bound if home.startswith("Encounter/") and home in everything]
    return bool(known) and not any(home in ours for home in known)


def _on_the_problem_list(condition: Element) -> bool:
    return any("problem-list-item" in each.codes() for each in condition.concepts("category"))


def _of_another_patient(each: Element, patient: Element | None, everything: Mapping[str, Element]) -> bool:
    if patient is None:
        return False
    told = [local(each.reference(name)) for name in _PATIENT_AT if name in each.json]
    patients = [home for home in told if home.startswith("Patient/") and home in everything]
    return bool(patients) and patient.home not in patients
