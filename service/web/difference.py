"""What changed between the AI's draft and the text, word by word."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_WORD = re.compile(r"\S+|\s+")

Sign = Literal["same", "gone", "new"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Words in a row that were kept, taken out or put in."""

    sign: Sign
    text: str


def changed_lines(draft: str, text: str) -> tuple[tuple[Run, ...], ...]:
    """The lines that differ, each as runs; a value such as ``50,4`` is one word and changes whole.

    Empty lines that came or went are not told: they are not words.
    """
    old, new = draft.split("\n"), text.split("\n")
    found: list[tuple[Run, ...]] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        before, after = [line for line in old[a:b] if line.strip()], [line for line in new[c:d] if line.strip()]
        found += _paired(before, after)
    return tuple(found)


def _paired(before: Sequence[str], after: Sequence[str]) -> list[tuple[Run, ...]]:
    """Lines that became each other are told as one; what is left came or went whole."""
    lines: list[tuple[Run, ...]] = []
    rest = list(after)
    for line in before:
        match = difflib.get_close_matches(line, rest, n=1, cutoff=0.5)
        if not match:
            lines.append((Run(sign="gone", text=line),))
            continue
        place = rest.index(match[0])
        lines += [(Run(sign="new", text=each),) for each in rest[:place]]
        lines.append(_words(line, match[0]))
        rest = rest[place + 1 :]
    return lines + [(Run(sign="new", text=each),) for each in rest]


def _words(before: str, after: str) -> tuple[Run, ...]:
    old, new = _WORD.findall(before), _WORD.findall(after)
    runs: list[Run] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            runs.append(Run(sign="same", text="".join(old[a:b])))
            continue
        if a < b:
            runs.append(Run(sign="gone", text="".join(old[a:b])))
        if c < d:
            runs.append(Run(sign="new", text="".join(new[c:d])))
    return tuple(runs)
