"""What a sender of FHIR must have filled in, looked at before anything is made of it (R4 bundle, encounter).

Elsewhere a wrong element is read as a missing one, for a chart is worth reading with holes. But a visit whose
status or name is nonsense would be a case that nobody means.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from service.errors import UnusableElement
from service.intake.resource import member, members, text

STATUSES: Final = (
    "planned",
    "arrived",
    "triaged",
    "in-progress",
    "onleave",
    "finished",
    "cancelled",
    "entered-in-error",
    "unknown",
)
"""http://hl7.org/fhir/ValueSet/encounter-status of R4."""
_DEPTH: Final = 64


class Kind(StrEnum):
    """How far a fault reaches."""

    FORM = "form"  # it is no FHIR
    IDENTITY = "identity"  # a visit that cannot be told from others
    CONTENT = "content"  # a visit that can be read all the same


@dataclass(frozen=True, kw_only=True)
class Fault:
    """``code``: http://hl7.org/fhir/issue-type; ``expression``: FHIRPath of the element. Quotes no value."""

    kind: Kind
    code: str
    expression: str
    detail: str
    remedy: str

    def as_error(self) -> UnusableElement:
        return UnusableElement(
            f"{self.expression} {self.detail}", remedy=self.remedy, expression=self.expression, issue=self.code
        )


def faults_in(document: object) -> Iterator[Fault]:
    """The faults of a Bundle's entries and of its Encounters, or of one Encounter, in their order.

    What is no resource at all has none: :func:`service.chart.bundle.resources_of` refuses it.
    """
    if isinstance(document, Mapping):
        yield from _faults_of(document, text(document.get("resourceType")), "", 0)


def _faults_of(resource: Mapping[str, Any], place: str, url: str, depth: int) -> Iterator[Fault]:
    kind = resource.get("resourceType")
    if kind == "Encounter":
        yield from _encounter(resource, place, url)
    entries = resource.get("entry")
    if kind != "Bundle" or not isinstance(entries, list) or depth > _DEPTH:
        return
    for index, entry in enumerate(entries):
        at = f"{place}.entry[{index}]"
        if not isinstance(entry, Mapping):
            yield _form(at, "is no object", "Send each entry as an object with a resource.")
        elif "resource" in entry and text(member(entry, "request").get("method")) != "DELETE":
            inner = member(entry, "resource")
            if not text(inner.get("resourceType")):
                yield _form(f"{at}.resource", "is no resource", "Send a FHIR R4 resource, or leave resource out.")
            else:
                yield from _faults_of(inner, f"{at}.resource", text(entry.get("fullUrl")), depth + 1)


def _encounter(resource: Mapping[str, Any], place: str, url: str) -> Iterator[Fault]:
    own = resource.get("id")
    if own is not None and not isinstance(own, str):
        yield Fault(
            kind=Kind.IDENTITY,
            code="structure",
            expression=f"{place}.id",
            detail="is no string",
            remedy="Send Encounter.id as a string.",
        )
    elif not (text(own) or url or _is_named(resource)):
        yield Fault(
            kind=Kind.IDENTITY,
            code="required",
            expression=f"{place}.identifier",
            detail="is missing",
            remedy="Send the visit number as Encounter.identifier, or at least an id.",
        )
    status = text(resource.get("status"))
    if status not in STATUSES:
        yield Fault(
            kind=Kind.CONTENT,
            code="code-invalid" if status else "required",
            expression=f"{place}.status",
            detail="is not of the R4 value set" if status else "is missing",
            remedy=f"Send one of {', '.join(STATUSES)}.",
        )


def _is_named(resource: Mapping[str, Any]) -> bool:
    """By its number, or by whose it is and when it began."""
    if any(text(each.get("value")) for each in members(resource, "identifier")):
        return True
    begin = text(member(resource, "period").get("start"))
    return bool(begin and text(member(resource, "subject").get("reference")))


def _form(expression: str, detail: str, remedy: str) -> Fault:
    return Fault(kind=Kind.FORM, code="structure", expression=expression, detail=detail, remedy=remedy)
