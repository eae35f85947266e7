"""The package's YAML tables, read in one language.

In the tables a string ``Niere | kidney`` is German, then English; a string without `` | `` serves both.
"""

from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, TypeVar

import yaml

from service.model import Lang

T = TypeVar("T")

SITES = (
    "breast",
    "lung",
    "prostate",
    "rectum",
    "head_neck",
    "glioblastoma",
    "cervix",
    "oesophagus",
    "bladder",
    "sarcoma",
    "bone_metastases",
    "brain_metastases",
)
"""The treated sites, each a table ``data/sites/<site>.yaml``."""


@cache
def table(name: str, lang: Lang) -> Any:
    """The table ``data/<name>.yaml`` with every string in ``lang``. Callers must not change it."""
    text = (files(__package__) / "data" / f"{name}.yaml").read_text(encoding="utf-8")
    return _in_language(yaml.safe_load(text), lang)


def _in_language(value: Any, lang: Lang) -> Any:
    match value:
        case str():
            german, bar, english = value.partition(" | ")
            return english if bar and lang == "en" else german
        case list():
            return [_in_language(item, lang) for item in value]
        case dict():
            return {key: _in_language(item, lang) for key, item in value.items()}
        case _:
            return value


def weighted(rng: Random, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One row, by its ``weight`` (1 where it has none)."""
    return rng.choices(rows, weights=[row.get("weight", 1) for row in rows])[0]


def chance(rng: Random, probability: float) -> bool:
    return rng.random() < probability


def some(rng: Random, rows: list[T], low: int, high: int) -> list[T]:
    """Between ``low`` and ``high`` different rows, in the table's order."""
    count = min(rng.randint(low, high), len(rows))
    return [rows[index] for index in sorted(rng.sample(range(len(rows)), count))]
