"""A query string to SQL over the index, and back to a page of results."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapters.sandbox.outcome import refuse
from adapters.sandbox.search_parameters import Parameter, date_range, parameters_of

DEFAULT_COUNT = 50
MAX_COUNT = 500
MAX_TERMS = 40

RESULT = frozenset({"_count", "_sort", "_format", "_pretty", "_total", "_summary", "_after"})
"""Parameters that shape the answer and select nothing (``_after`` is ours, inside next links)."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """A search understood. ``where``/``arguments`` is SQL over alias ``r`` of table resource."""

    resource_type: str
    where: str
    arguments: tuple[str | int, ...]
    count: int
    after: int | None
    descending: bool
    total_only: bool
    kept: tuple[tuple[str, str], ...]
    """The query without paging, to be repeated in links."""


def read_query(resource_type: str, pairs: Sequence[tuple[str, str]], *, bases: tuple[str, ...]) -> Query:
    """Raises Refusal 400 for a parameter that this type does not have: ignoring one would widen the search."""
    if len(pairs) > MAX_TERMS:
        raise refuse(400, "too-costly", f"At most {MAX_TERMS} parameters.")
    known = parameters_of(resource_type)
    conditions = ["r.type = ?"]
    arguments: list[str | int] = [resource_type]
    for key, text in pairs:
        if key in RESULT:
            continue
        name, _, modifier = key.partition(":")
        parameter = known.get(name)
        if parameter is None:
            raise refuse(400, "not-supported", f"{resource_type} has no search parameter of this name.", name[:64])
        sql, values = _condition(name, parameter, modifier, text, bases)
        conditions.append(sql)
        arguments.extend(values)
    shape = {key: value for key, value in pairs if key in RESULT}
    return Query(
        resource_type=resource_type,
        where=" AND ".join(conditions),
        arguments=tuple(arguments),
        count=min(_number(shape, "_count", DEFAULT_COUNT), MAX_COUNT),
        after=_number(shape, "_after", 0) if "_after" in shape else None,
        descending=_descending(shape.get("_sort", "_lastUpdated")),
        total_only=shape.get("_summary") == "count" or shape.get("_count") == "0",
        kept=tuple((key, value) for key, value in pairs if key != "_after"),
    )


def _number(shape: dict[str, str], name: str, default: int) -> int:
    text = shape.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise refuse(400, "value", "A whole number is needed.", name)
    return int(text)


def _descending(sort: str) -> bool:
    if sort not in {"_lastUpdated", "-_lastUpdated"}:
        raise refuse(400, "not-supported", "Sorting is by _lastUpdated or -_lastUpdated.", "_sort")
    return sort.startswith("-")


def _condition(
    name: str, parameter: Parameter, modifier: str, text: str, bases: tuple[str, ...]
) -> tuple[str, list[str | int]]:
    exists = "EXISTS (SELECT 1 FROM entry e WHERE e.type = r.type AND e.id = r.id AND e.name = ?{})"
    if modifier == "missing":
        sql = exists.format("")
        return (f"NOT {sql}" if text == "true" else sql), [name]
    sql, arguments = "", list[str | int]()
    for value in _split(text, ","):
        part, values = _match(parameter, modifier, value, bases, name)
        sql = f"{sql} OR {part}" if sql else part
        arguments.extend(values)
    full = exists.format(f" AND ({sql})")
    return (f"NOT {full}" if modifier == "not" else full), [name, *arguments]


def _match(
    parameter: Parameter, modifier: str, value: str, bases: tuple[str, ...], name: str
) -> tuple[str, list[str | int]]:
    allowed = {"token": {"", "not"}, "string": {"", "exact", "contains"}, "reference": {"", "Patient"}}
    if modifier not in allowed.get(parameter.kind, {""}):
        raise refuse(400, "not-supported", "The modifier is not supported here.", name)
    if not value:
        raise refuse(400, "value", "A value is needed.", name)
    if parameter.kind == "token":
        return _match_token(value)
    if parameter.kind == "reference":
        return _match_reference(value, modifier, bases)
    if parameter.kind == "date":
        return _match_date(value, name)
    plain = _unescape(value)
    if parameter.kind == "uri":
        return "e.value = ?", [plain]
    if modifier == "exact":
        return "e.system = ?", [plain]
    folded = plain.casefold()
    if modifier == "contains":
        return "instr(e.value, ?) > 0", [folded]
    return "substr(e.value, 1, ?) = ?", [len(folded), folded]


def _match_token(value: str) -> tuple[str, list[str | int]]:
    parts = [_unescape(part) for part in _split(value, "|")]
    if len(parts) == 1:
        return "e.value = ?", [parts[0]]
    system, code = parts[0], "|".join(parts[1:])
    if not code:
        return "e.system = ?", [system]
    return "(e.system = ? AND e.value = ?)", [system, code]


def _match_reference(value: str, modifier: str, bases: tuple[str, ...]) -> tuple[str, list[str | int]]:
    plain = _unescape(value)
    for base in bases:
        plain = plain.removeprefix(f"{base}/")
    if ":" in plain:
        return "(e.system = '' AND e.value = ?)", [plain]
    kind, _, identity = plain.rpartition("/")
    kind = kind or modifier
    if kind:
        return "(e.system = ? AND e.value = ?)", [kind, identity]
    return "e.value = ?", [identity]


def _match_date(value: str, name: str) -> tuple[str, list[str | int]]:
    prefix, text = (value[:2], value[2:]) if value[:2].isalpha() else ("eq", value)
    low, high = date_range(text)
    if not low:
        raise refuse(400, "value", "A date as in FHIR is needed, with or without eq, ne, lt, le, gt, ge.", name)
    match prefix:
        case "eq":
            return "(e.low >= ? AND e.high <= ?)", [low, high]
        case "ne":
            return "NOT (e.low >= ? AND e.high <= ?)", [low, high]
        case "gt" | "sa":
            return "e.high > ?", [high]
        case "lt" | "eb":
            return "e.low < ?", [low]
        case "ge":
            return "e.high > ?", [low]
        case "le":
            return "e.low < ?", [high]
        case _:
            raise refuse(400, "not-supported", "The prefix is not supported.", name)


def _split(text: str, separator: str) -> list[str]:
    """Split at unescaped separators (FHIR R4, search.html#escaping); escapes are kept."""
    parts, current, escaped = list[str](), "", False
    for character in text:
        if not escaped and character == separator:
            parts.append(current)
            current = ""
            continue
        escaped = not escaped and character == "\\"
        current += character
    return [*parts, current]


def _unescape(text: str) -> str:
    result, escaped = "", False
    for character in text:
        if not escaped and character == "\\":
            escaped = True
            continue
        # Only these four are escapes; a backslash before anything else stands for itself.
        result += character if not escaped or character in ",|$\\" else f"\\{character}"
        escaped = False
    return result
