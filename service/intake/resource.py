"""Reading another system's JSON: what has not the type that FHIR gives it is not there."""

from collections.abc import Iterator, Mapping
from typing import Any


def member(resource: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An element that is an object; empty where it is none."""
    value = resource.get(name)
    return value if isinstance(value, Mapping) else {}


def members(resource: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    """The objects of a list; none where it is no list."""
    values = resource.get(name)
    return (value for value in values if isinstance(value, Mapping)) if isinstance(values, list) else iter(())


def text(value: object) -> str:
    """A string without the white space around it; ``""`` for all else."""
    return value.strip() if isinstance(value, str) else ""
