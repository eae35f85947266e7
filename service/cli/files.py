"""Files as chart input: HL7 v2 and FHIR R4 JSON, told apart by what they hold, not by their names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from adapters.hl7.message import read_message, split_messages
from service.chart.bundle import resources_of
from service.errors import UnusableInput
from service.ports import Message, Resource


@dataclass(frozen=True, kw_only=True)
class ChartInput:
    messages: tuple[Message, ...]
    resources: tuple[Resource, ...]


def read_bytes(path: Path) -> bytes:
    """Raises UnusableInput naming the path."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableInput(f"{path}: {error.strerror}", remedy="Name a file that can be read.") from None


def read_chart_files(paths: Sequence[Path]) -> ChartInput:
    """Any mix of files. Raises UnusableInput naming the file and what it lacks."""
    messages: list[Message] = []
    resources: list[Resource] = []
    for path in paths:
        data = read_bytes(path)
        is_json = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
        try:
            if is_json:
                resources += resources_of(orjson.loads(data.removeprefix(b"\xef\xbb\xbf")))
            else:
                messages += [read_message(body) for body in split_messages(data)]
        except orjson.JSONDecodeError as error:
            raise UnusableInput(
                f"{path} is not JSON (line {error.lineno}, column {error.colno})", remedy="Mend the file."
            ) from None
        except UnusableInput as error:
            remedy = error.remedy if is_json else "Give FHIR R4 as JSON, or HL7 v2 in its vertical-bar form (ER7)."
            raise UnusableInput(f"{path}: {error.detail}", remedy=remedy) from None
    return ChartInput(messages=tuple(messages), resources=tuple(resources))
