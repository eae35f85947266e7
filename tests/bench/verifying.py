"""``verify``: letters checked a second, beside the bare work of finding every number in them."""

import random
import re
import time
from pathlib import Path
from typing import Any

from service.letter import resolve
from service.model import Chart, Lang, Letter, RawLetter, WriterInfo
from service.verify import verify
from workers.training.dataset import synthetic_chart
from workers.training.styles import compose

_LETTERS = 20
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NOBODY = WriterInfo(base="", lora="", prompt="", handles="", tokens=0, seconds=0.0)
Row = dict[str, Any]


def measure(_: Path) -> list[Row]:
    """``bound`` compares the bag of the letter's numbers with the chart's: the least that any check does."""
    letters = [_letter(seed, lang) for seed in range(_LETTERS // 2) for lang in ("de", "en")]
    ours = _rate(letters, lambda chart, letter: verify(letter.text, chart, letter.lang, spans=letter.spans))
    bound = _rate(letters, _bag)
    return [
        {"engine": name, "load": 1, "metric": "letters_per_second", "value": value, "unit": "1/s"}
        for name, value in (("epikrise", ours), ("bound", bound))
    ]


def _letter(seed: int, lang: Lang) -> tuple[Chart, Letter]:
    chart = synthetic_chart(seed, lang)
    raw = compose(chart, "demonstration", lang, random.Random(seed))
    return chart, resolve(RawLetter(raw=raw, lang=lang, writer=_NOBODY), chart)


def _bag(chart: Chart, letter: Letter) -> object:
    known = {number for fact in chart.facts for number in _NUMBER.findall(fact.display.in_(letter.lang))}
    return set(_NUMBER.findall(letter.text)) - known


def _rate(letters: list[tuple[Chart, Letter]], check: Any) -> float:
    check(*letters[0])
    started = time.perf_counter()
    for chart, letter in letters:
        check(chart, letter)
    return round(len(letters) / (time.perf_counter() - started), 1)
