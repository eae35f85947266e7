"""The source behind a fact, in a form that a physician can read."""

import json
from typing import Any

from service.bootstrap import Installation
from service.chart import chart_from_payload
from service.errors import NotFound
from service.ports import Message, Resource


def read_source(installation: Installation, case_id: str, ref: str) -> list[str]:
    """Lines of the segment or the resource that ``ref`` names; only sources of this case's facts.

    Raises NotFound for anything else: the page is no window into the store.
    """
    with installation.store.begin() as tx:
        payload = tx.get("chart", case_id)
        stored = tx.messages_of(case_id)
        case = tx.case(case_id)
        tx.audit("reviewer", "source_opened", case_id=case_id)
    facts = chart_from_payload(payload).facts if payload else ()
    if ref not in {fact.source for fact in facts}:
        raise NotFound("no fact of this case has that source", remedy="Open it from the review.")
    world = installation.world
    lines: list[str] = []
    for part in ref.split(" + "):
        place, _, path = part.partition("#")
        if "/" in place and world.chart_source is not None:
            for resource in world.chart_source.resources(case.key, ""):
                if f"{resource.get('resourceType')}/{resource.get('id')}" == place:
                    lines += [part, *_resource_lines(resource)]
        else:
            for body in (message.body for message in stored if message.channel == "mllp"):
                lines += _segment_lines(world.reader(body), place, path)
    if not lines:
        raise NotFound("the source is no longer at the EHR", remedy="Ask the EHR's operator.")
    return lines


def _segment_lines(message: Message, control_id: str, path: str) -> list[str]:
    if message.control_id != control_id:
        return []
    name, _, rest = path.partition("[")
    index = rest.split("]")[0]
    return [
        f"{control_id} {segment.name}[{segment.index}]"
        for segment in message.segments(name)
        if str(segment.index) == index
    ] + [
        f"{segment.name}-{number}: {value}"
        for segment in message.segments(name)
        if str(segment.index) == index
        for number in range(1, 50)
        if (value := " ".join(filter(None, segment.components(number))))
    ]


def _resource_lines(resource: Resource) -> list[str]:
    readable: dict[str, Any] = {key: value for key, value in resource.items() if key not in ("meta", "text")}
    return json.dumps(readable, ensure_ascii=False, indent=2).split("\n")
