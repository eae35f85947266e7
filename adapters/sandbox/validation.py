"""Is this a FHIR R4 resource? Structure by fhir.resources, required value sets by ourselves.

``fhir.resources`` checks names, types and cardinalities; codes of required value sets pass
unchecked (``docStatus: "bogus"`` is fine with it). Its models carry the first words of each
element's definition, which for a required binding is the list of codes; where the definition cuts
that list short with a ``+``, :data:`COMPLETE` has it in full.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from fhir.resources.R4B import get_fhir_model_class
from pydantic import BaseModel, ValidationError

from adapters.sandbox.outcome import Issue, Refusal, Resource, refuse

MAX_DEPTH = 60
"""Levels of nesting taken; the standard's deepest examples have about fifteen."""

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")

COMPLETE: Mapping[tuple[str, str], frozenset[str]] = {
    ("Task", "status"): frozenset(
        [
            "draft",
            "requested",
            "received",
            "accepted",
            "rejected",
            "ready",
            "cancelled",
            "in-progress",
            "on-hold",
            "failed",
            "completed",
            "entered-in-error",
        ]
    ),
    ("Observation", "status"): frozenset(
        ["registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"]
    ),
    ("DiagnosticReport", "status"): frozenset(
        [
            "registered",
            "partial",
            "preliminary",
            "final",
            "amended",
            "corrected",
            "appended",
            "cancelled",
            "entered-in-error",
            "unknown",
        ]
    ),
    ("Encounter", "status"): frozenset(
        [
            "planned",
            "arrived",
            "triaged",
            "in-progress",
            "onleave",
            "finished",
            "cancelled",
            "entered-in-error",
            "unknown",
        ]
    ),
    ("EncounterStatusHistory", "status"): frozenset(
        [
            "planned",
            "arrived",
            "triaged",
            "in-progress",
            "onleave",
            "finished",
            "cancelled",
            "entered-in-error",
            "unknown",
        ]
    ),
}

ABSTRACT = frozenset({"Resource", "DomainResource"})


def parse_json(body: bytes) -> Any:
    """Bytes to JSON; :class:`Refusal` 400 for what is none, or nested deeper than any resource is."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise refuse(400, "structure", f"The body is not JSON: {place}.") from None
    level: list[Any] = [parsed]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return parsed
    raise refuse(400, "too-costly", f"The body is nested deeper than {MAX_DEPTH} levels.")


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, list):
        yield from node


def require_type(name: str) -> None:
    """:class:`Refusal` 404 unless ``name`` is a resource type of R4."""
    if not is_resource_type(name):
        raise refuse(404, "not-supported", "There is no resource type of this name in FHIR R4.")


def is_resource_type(name: str) -> bool:
    if name in ABSTRACT or not name.isalpha():
        return False
    try:
        return any(parent.__name__ == "Resource" for parent in _model(name).__mro__)
    except (ValueError, KeyError):
        return False


def _model(name: str) -> type[BaseModel]:
    model: type[BaseModel] = get_fhir_model_class(name)
    return model


def require_valid(resource: Any, *, expected_type: str | None = None, at: str = "") -> Resource:
    """The resource itself if it is valid; :class:`Refusal` 400 (structure) or 422 (content) if not.

    ``at`` is the path of the resource inside its Bundle, for the expressions of the issues.
    """
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        raise refuse(400, "structure", "A JSON object with a resourceType is needed.", at)
    name = resource["resourceType"]
    if not is_resource_type(name):
        raise refuse(400, "structure", "resourceType names no resource of FHIR R4.", _under(at, "resourceType"))
    if expected_type is not None and name != expected_type:
        raise refuse(400, "invalid", f"This address takes {expected_type} only.", _under(at, "resourceType"))
    root = at or name
    try:
        instance = _model(name).model_validate(resource)
    except ValidationError as error:
        raise Refusal(422, *_structure_issues(error, root)) from None
    except (RecursionError, ValueError, TypeError, AttributeError, KeyError):
        raise refuse(422, "structure", "The resource has not the structure of its type.", root) from None
    issues = tuple(_value_set_issues(instance, root))
    if issues:
        raise Refusal(422, *issues)
    if "id" in resource and not ID.match(str(resource["id"])):
        raise refuse(422, "value", "An id is 1 to 64 letters, digits, hyphens and dots.", _under(root, "id"))
    return resource


def _under(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _structure_issues(error: ValidationError, root: str) -> Iterator[Issue]:
    for problem in error.errors(include_url=False, include_context=False, include_input=False)[:20]:
        path = root
        for part in problem["loc"]:
            path = f"{path}[{part}]" if isinstance(part, int) else f"{path}.{part}"
        code = "required" if problem["type"] in {"missing", "model_field_validation.missing"} else "structure"
        yield Issue(code=code, diagnostics=str(problem["msg"]), expression=path)


def _value_set_issues(instance: BaseModel, path: str) -> Iterator[Issue]:
    for name, field in type(instance).model_fields.items():
        value = getattr(instance, name, None)
        if value is None:
            continue
        label = field.alias or name
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        allowed = _allowed(type(instance).__name__, name, extra.get("enum_values"))
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            place = f"{path}.{label}[{index}]" if isinstance(value, list) else f"{path}.{label}"
            if isinstance(item, BaseModel):
                yield from _value_set_issues(item, place)
            elif allowed is not None and isinstance(item, str) and item not in allowed:
                yield Issue(
                    code="code-invalid",
                    diagnostics=f"Not in the required value set: {', '.join(sorted(allowed))}.",
                    expression=place,
                )


def _allowed(model: str, name: str, listed: Any) -> frozenset[str] | None:
    complete = COMPLETE.get((model, name))
    if complete is not None:
        return complete
    if not isinstance(listed, list) or "+" in listed:
        return None
    return frozenset(str(code) for code in listed)
