"""What the reading of the EHR says of itself: OperationOutcomes among the resources of a chart."""

from collections.abc import Iterable

from service.ports import Resource


def notes_of(resources: Iterable[Resource]) -> list[str]:
    """One warning for each thing that the EHR did not give, in codes and type names: no server's own words."""
    notes = [
        f"{place}: the EHR did not give this{f' ({reason})' if reason else ''}; what it says is not in the chart"
        for outcome in resources
        if outcome.get("resourceType") == "OperationOutcome"
        for issue in _objects(outcome.get("issue"))
        for place, reason in [_read(issue)]
        if place
    ]
    return list(dict.fromkeys(notes))


def _read(issue: Resource) -> tuple[str, str]:
    places, details = issue.get("expression"), issue.get("details")
    codings = _objects(details.get("coding")) if isinstance(details, dict) else []
    reasons = [coding.get("code") for coding in codings]
    place = places[0] if isinstance(places, list) and places else ""
    return str(place or ""), str(next(iter(reasons), None) or "")


def _objects(value: object) -> list[Resource]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
