"""The little language in which a style's phrases are written, parsed to a tree once.

==================  =====================================================================================
written             means
==================  =====================================================================================
``{start}``         the handle of this item (inside a course ``[[course.1.start]]``); ``{patient.name}``
                    anywhere; ``{.}`` the item itself (a marker has no further part)
``{salutation:acc}``  the handle in a grammatical form
``{@greeting}``     another phrase
``{*lab}``          the phrase ``lab`` for each lab, joined as "a, b and c"; ``{*lab=short}`` by phrase ``short``
``{,marker}``       the same without "and"
``{-volume}``       the same as list lines "- …"; ``{/course}`` as lines; ``{+toxicity}`` as sentences
``{?stopped}``      writes nothing, holds or fails; ``{!stopped}`` the contrary (see ``render`` for the tests)
``<a|b|>``          the first alternative that holds; with none that holds, nothing
``[, |a|b|c]``      those parts that hold, joined by ", "; ``[, & and |a|b]`` with another last joint
==================  =====================================================================================

A template *fails* where a handle is absent from the chart or a test does not hold; the failure is
caught by the nearest ``<…>`` or ``[…]``, else the whole phrase is left out.
"""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Manner: TypeAlias = Literal["*", ",", "-", "/", "+"]


@dataclass(frozen=True, kw_only=True)
class Reference:
    path: str
    form: str


@dataclass(frozen=True, kw_only=True)
class Phrase:
    name: str


@dataclass(frozen=True, kw_only=True)
class Each:
    """``phrase`` for each item of ``group``."""

    group: str
    phrase: str
    manner: Manner


@dataclass(frozen=True, kw_only=True)
class Check:
    name: str
    argument: str
    expected: bool


@dataclass(frozen=True, kw_only=True)
class Choice:
    alternatives: tuple["Template", ...]


@dataclass(frozen=True, kw_only=True)
class Join:
    joint: str
    last: str
    parts: tuple["Template", ...]


Node: TypeAlias = str | Reference | Phrase | Each | Check | Choice | Join
Template: TypeAlias = tuple[Node, ...]

_BRACE = re.compile(r"\{([@*,/+?!-]?)([A-Za-z0-9_.]+)(?:([:=])([a-z0-9_.]+))?\}")
_MARKS = "<>[]|"


def parse_template(source: str) -> Template:
    """Raises ValueError with the place of a fault in the style's file."""
    template, at = _sequence(source, 0, inside=False)
    if at != len(source):
        raise ValueError(f"unexpected {source[at]!r} at {at} in {source!r}")
    return template


def _sequence(source: str, at: int, *, inside: bool) -> tuple[Template, int]:
    nodes: list[Node] = []
    while at < len(source):
        mark = source[at]
        if mark == "{":
            match = _BRACE.match(source, at)
            if match is None:
                raise ValueError(f"no reference at {at} in {source!r}")
            nodes.append(_brace(match))
            at = match.end()
        elif mark == "<":
            alternatives, at = _parts(source, at + 1, ">")
            nodes.append(Choice(alternatives=alternatives))
        elif mark == "[":
            bar = source.index("|", at)
            joint, _, last = source[at + 1 : bar].partition("&")
            parts, at = _parts(source, bar + 1, "]")
            nodes.append(Join(joint=joint, last=last or joint, parts=parts))
        elif mark in "|>]" and inside:
            break
        else:
            if mark in _MARKS or mark == "}":
                raise ValueError(f"unexpected {mark!r} at {at} in {source!r}")
            end = next((i for i in range(at, len(source)) if source[i] in _MARKS + "{}"), len(source))
            nodes.append(source[at:end])
            at = end
    return tuple(nodes), at


def _parts(source: str, at: int, close: str) -> tuple[tuple[Template, ...], int]:
    parts: list[Template] = []
    while True:
        template, at = _sequence(source, at, inside=True)
        parts.append(template)
        if at >= len(source) or source[at] not in ("|", close):
            raise ValueError(f"{close!r} missing in {source!r}")
        at += 1
        if source[at - 1] == close:
            return tuple(parts), at


def _brace(match: re.Match[str]) -> Node:
    kind, name, _, argument = match.groups()
    argument = argument or ""
    match kind:
        case "":
            return Reference(path="" if name == "." else name, form=argument)
        case "@":
            return Phrase(name=name)
        case "?" | "!":
            return Check(name=name, argument=argument, expected=kind == "?")
        case "*" | "," | "-" | "/" | "+" as manner:
            return Each(group=name, phrase=argument or name, manner=manner)
        case _:
            raise ValueError(f"unknown mark {kind!r}")
