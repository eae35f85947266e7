"""The chart as the model reads it: one ``[[handle]] value`` a line, under one sentence of instruction, then
all handles in one line.

The same text serves a tokenizer that knows each handle as one token and a general one that reads it
letter by letter. What identifies a person is a handle without a value.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from service.errors import WrongSetting
from service.model import IDENTIFYING, Chart, Fact, FactType, Importance, Lang

PROMPT_VERSION = "1"

DEFAULT_BUDGET = 200
"""Facts shown at most: about 4,000 of LLaMA-3's 8,192 tokens, which leaves half for the letter."""

VALUE_LENGTH = 48
"""Characters of a value shown at most; the letter gets the whole value through its handle."""

_HEADERS: Mapping[str, Mapping[Lang, tuple[str, str]]] = {
    "1": {
        "de": (
            "### Aufgabe: Entlassbrief der Strahlentherapie auf Deutsch. Jeder Wert steht als Verweis aus der Akte.\n",
            "### Brief\n",
        ),
        "en": (
            "### Task: radiation oncology discharge letter in English. Every value is a reference into the chart.\n",
            "### Letter\n",
        ),
    }
}
_RANK = {Importance.HIGH: 0, Importance.NORMAL: 1, Importance.LOW: 2}
_HIDDEN = "…"


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What the model reads before it writes.

    ``handles`` are those shown, in the prompt's order: the only ones that the letter may name.
    ``digest`` is SHA-256 of the text's UTF-8 bytes.
    """

    text: str
    handles: tuple[str, ...]
    version: str
    digest: str


def build_prompt(
    chart: Chart,
    lang: Lang,
    *,
    version: str = PROMPT_VERSION,
    budget: int = DEFAULT_BUDGET,
    knows: Callable[[str], bool] = lambda handle: True,
) -> Prompt:
    """Tell the chart to the model.

    Args:
        budget: facts shown at most; important ones first, then the more recent of their kind.
        knows: whether the model can write this handle (a small vocabulary ends at some number).

    Raises:
        WrongSetting: there is no such prompt version.
    """
    head, foot = _header(version, lang)
    facts = _select((fact for fact in chart.facts if knows(fact.handle)), budget)
    hide = _identifying_words(chart)
    lines = (_line(fact, lang, hide) for fact in facts)
    text = head + "".join(lines) + contents(fact.handle for fact in facts) + foot
    return Prompt(
        text=text,
        handles=tuple(fact.handle for fact in facts),
        version=version,
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def contents(handles: Iterable[str]) -> str:
    """All handles once more without values, one behind the other.

    What follows what, and where a list ends, is then read off by looking up the last handle written: a
    circuit that even small transformers learn (Olsson et al. 2022, induction heads). With values between
    the handles, our 3.7 M model wrote lists of average length.
    """
    return "".join(f"[[{handle}]]" for handle in handles) + "\n"


def version_digest(version: str = PROMPT_VERSION) -> str:
    """SHA-256 of all that shapes a prompt besides the chart; kept with each letter and each LoRA adapter.

    Raises:
        WrongSetting: there is no such prompt version.
    """
    shape = {lang: _header(version, lang) for lang in ("de", "en")}
    described = json.dumps(
        [version, shape, VALUE_LENGTH, sorted(IDENTIFYING), contents(("a.1.b", "c"))], ensure_ascii=False
    )
    return hashlib.sha256(described.encode()).hexdigest()


def _header(version: str, lang: Lang) -> tuple[str, str]:
    if version not in _HEADERS:
        raise WrongSetting(
            f"prompt version {version[:20]!r} is not among {sorted(_HEADERS)}",
            remedy="Use a LoRA adapter trained with a prompt version that this release knows.",
        )
    return _HEADERS[version][lang]


def _select(facts: Iterable[Fact], budget: int) -> list[Fact]:
    """The facts to show, in the chart's order."""
    # A lab's display carries its unit already; as a fact of its own it would only cost room.
    shown = [fact for fact in facts if fact.type is not FactType.UNIT]
    if len(shown) <= budget:
        return shown
    dates: dict[str, str] = {}
    for fact in shown:
        if fact.type is FactType.DATE:
            group = fact.handle.rsplit(".", 1)[0]
            dates[group] = max(dates.get(group, ""), fact.value)

    newest_first = sorted(
        range(len(shown)), key=lambda i: dates.get(shown[i].handle.rsplit(".", 1)[0], ""), reverse=True
    )
    chosen = sorted(newest_first, key=lambda i: _RANK[shown[i].importance])[:budget]
    return [shown[i] for i in sorted(chosen)]


def _line(fact: Fact, lang: Lang, hide: re.Pattern[str] | None) -> str:
    if fact.handle in IDENTIFYING:
        return f"[[{fact.handle}]]\n"
    return f"[[{fact.handle}]] {_value(fact.display.in_(lang), hide)}\n"


def _value(shown: str, hide: re.Pattern[str] | None) -> str:
    value = " ".join(shown.split())
    if hide:
        value = hide.sub(_HIDDEN, value)
    # Brackets of the source must not read as a handle, whatever stands in a free text.
    value = value.replace("[", "(").replace("]", ")").replace("###", "#")
    return value if len(value) <= VALUE_LENGTH else value[: VALUE_LENGTH - 1].rstrip() + "…"


def _identifying_words(chart: Chart) -> re.Pattern[str] | None:
    """Finds the chart's names, birth dates and numbers in other facts' free text."""
    words: set[str] = set()
    for fact in chart.facts:
        if fact.handle in IDENTIFYING:
            whole = {fact.value, fact.display.de, fact.display.en}
            words |= whole
            if fact.type is FactType.NAME:
                names = whole | {name.translate(_TRANSCRIPTION) for name in whole}
                words |= names
                for part in (r"[^\W\d_]+(?:[-'’][^\W\d_]+)*", r"[^\W\d_]+"):  # double names whole and by halves
                    words |= {found for name in names for found in re.findall(part, name)}
            if fact.type is FactType.DATE:
                words |= _numeric_forms(fact.value)
    # A title says who nobody is; hiding it would blot out words such as the drug names that contain it.
    words = {word for word in words if len(word) > 1 and word.lower() not in {"dr", "med", "prof", "von", "van", "de"}}
    if not words:
        return None
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest_first)) + r")s?(?!\w)", re.IGNORECASE)


_TRANSCRIPTION = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
"""As systems write names that cannot or do not write umlauts."""


def _numeric_forms(iso: str) -> set[str]:
    """A day as free text writes it in digits, German and English; none for a date that is less precise."""
    found = re.fullmatch(r"(\d{2}(\d{2}))-(\d{2})-(\d{2})", iso)
    if not found:
        return set()
    year, short, month, day = found.groups()
    days = {(day, month), (day.lstrip("0"), month.lstrip("0"))}
    forms = {f"{d}{mark}{m}{mark}{y}" for d, m in days for y in (year, short) for mark in (".", "/", "-")}
    return forms | {f"{m}/{d}/{y}" for d, m in days for y in (year, short)} | {f"{year}{month}{day}"}
