"""The source behind a fact, in a form that a physician can read, with the place that bears it marked."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from service.bootstrap import Installation
from service.chart import chart_from_payload
from service.chart.bundle import resources_of
from service.errors import NotFound
from service.model import Fact
from service.ports import Message, Resource
from service.steps import patient_number

_STEP = re.compile(r"(?P<name>\w+)(?:\('(?P<url>[^']*)'\))?(?:\[(?P<index>\d+)\])?(?:\.|$)")
_UNREAD = ("meta", "text", "resourceType", "id", "contained")
_DEEPEST = 8

Place = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a source; ``depth`` 0–8 is how far it stands in."""

    label: str
    value: str
    marked: bool
    depth: int = 0


@dataclass(frozen=True, kw_only=True)
class Source:
    """One segment or resource. ``kind``: segment | resource; ``path`` as in the fact's source."""

    kind: str
    name: str
    path: str
    lines: tuple[Line, ...]

    @property
    def excerpt(self) -> tuple[Line, ...]:
        """The top-level elements that hold what is marked; empty where that is all of it, or nothing is marked."""
        kept: list[Line] = []
        block: list[Line] = []
        for line in (*self.lines, Line(label="", value="", marked=False)):
            if line.depth == 0:
                kept += block if any(each.marked for each in block) else []
                block = []
            block.append(line)
        return tuple(kept) if len(kept) < len(self.lines) else ()


def read_source(installation: Installation, case_id: str, handle: str) -> tuple[Fact, str, list[Source]]:
    """(fact, the letter's language, its sources), only for facts of this case: the page is no window into the store.

    Raises:
        NotFound: the case has no such fact, or its source is no longer there.
        EhrUnavailable.
    """
    with installation.store.begin() as tx:
        case = tx.case(case_id)
        # as on the desk: what came in after the draft is what the letter is held against
        latest = tx.get("latest_chart", case_id, case.generation) if tx.signature(case_id) is None else None
        payload = latest or tx.get("chart", case_id, case.generation)
        draft = tx.get("draft", case_id, case.generation)
        stored = tx.messages_of(case_id)
        tx.audit("reviewer", "source_opened", case_id=case_id, detail=handle if _is_handle(handle) else "")
    fact = chart_from_payload(payload).get(handle) if payload else None
    if fact is None:
        raise NotFound("no fact of this case has that handle", remedy="Open the source from the review.")
    messages = [installation.world.reader(each.body) for each in stored if each.channel == "mllp"]
    resources = [r for each in stored if each.channel == "fhir" for r in resources_of(orjson.loads(each.body))]
    parts = fact.source.split(" + ")
    found = [source for part in parts for source in _look_up(part, messages, resources)]
    if len(found) < len(parts) and installation.world.chart_source is not None:
        resources += installation.world.chart_source.resources(case.key, patient_number(installation.world, stored))
        found = [source for part in parts for source in _look_up(part, messages, resources)]
    if not found:
        raise NotFound("the source is no longer at the EHR", remedy="Ask the EHR's operator.")
    return fact, draft["lang"] if draft else "de", found


def _is_handle(handle: str) -> bool:
    return re.fullmatch(r"[a-z0-9_.]{1,80}", handle) is not None


def _look_up(part: str, messages: Sequence[Message], resources: Sequence[Resource]) -> list[Source]:
    place, _, path = part.partition("#")
    for resource in resources:
        if f"{resource.get('resourceType')}/{resource.get('id')}" == place:
            lines = tuple(_lines(resource, locate(resource, path), (), 0))
            return [Source(kind="resource", name=place, path=path, lines=lines)]
    for message in messages:
        if message.control_id == place and (lines := tuple(_segment_lines(message, path))):
            return [Source(kind="segment", name=place, path=path, lines=lines)]
    return []


def _segment_lines(message: Message, path: str) -> Iterator[Line]:
    """``SEG[n]-field[rep].component`` names the segment to show and the field to mark."""
    wanted = re.match(r"(\w{3})\[(\d+)\](?:-(\d+))?", path)
    if wanted is None:
        return
    for segment in message.segments(wanted[1]):
        if segment.index != int(wanted[2]):
            continue
        for number in range(1, 100):
            told = [
                " ".join(filter(None, segment.components(number, n + 1))) for n in range(segment.repetitions(number))
            ]
            if any(told):
                marked = wanted[3] is not None and int(wanted[3]) == number
                yield Line(label=f"{wanted[1]}-{number}", value=" / ".join(filter(None, told)), marked=marked)


def locate(resource: Resource, path: str) -> Place:
    """Where a FHIRPath of ours leads inside the JSON; as far as it leads."""
    node: Any = resource
    place: Place = ()
    for step in _STEP.finditer(path):
        if not isinstance(node, dict):
            break
        key, index = step["name"], int(step["index"] or 0)
        if step["url"] is not None:
            extensions = node.get("extension", [])
            fitting = [n for n, each in enumerate(extensions) if each.get("url") == step["url"]]
            if index >= len(fitting):
                break
            place, node = (*place, "extension", fitting[index]), extensions[fitting[index]]
            continue
        if key not in node:  # a choice: ``onset`` is onsetDateTime in JSON
            key = next((k for k in node if k.startswith(key) and k[len(key) : len(key) + 1].isupper()), "")
        if not key:
            break
        place, node = (*place, key), node[key]
        if isinstance(node, list):
            if index >= len(node):
                break
            place, node = (*place, index), node[index]
    return place


def _lines(node: Any, wanted: Place, here: Place, depth: int) -> Iterator[Line]:
    """A line a value; what lies under ``wanted`` is marked."""
    pairs: list[tuple[str, str | int, Any]] = []
    if isinstance(node, dict):
        pairs = [(key, key, value) for key, value in node.items() if here or key not in _UNREAD]
    elif isinstance(node, list):
        pairs = [(_entry_label(here, n, each, len(node)), n, each) for n, each in enumerate(node)]
    for label, key, value in pairs:
        there = (*here, key)
        if isinstance(value, dict | list):
            if isinstance(value, list) and all(isinstance(each, dict | list) for each in value):
                yield from _lines(value, wanted, there, depth)
                continue
            yield Line(label=label, value="", marked=False, depth=min(depth, _DEEPEST))
            yield from _lines(value, wanted, there, depth + 1)
        elif not (key == "url" and "extension" in here):  # it is the extension's label already
            marked = bool(wanted) and there[: len(wanted)] == wanted
            yield Line(label=label, value=_shown(value), marked=marked, depth=min(depth, _DEEPEST))


def _entry_label(here: Place, number: int, entry: Any, of: int) -> str:
    name = str(here[-1]) if here else ""
    if name == "extension" and isinstance(entry, dict):
        return str(entry.get("url", "")).rstrip("/").rpartition("/")[2]
    return f"{name} {number + 1}" if of > 1 else name


def _shown(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) or value is None else str(value)
