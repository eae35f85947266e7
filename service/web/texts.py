"""The words of the pages, from ``words/``. The page's language is the reader's; the letter's is the institution's."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from service.model import Lang

_WORDS = Path(__file__).parent / "words"


def _load(*names: str) -> Mapping[str, str]:
    words: dict[str, str] = {}
    for name in names:
        loaded: dict[str, str] = yaml.safe_load((_WORDS / f"{name}.yaml").read_text(encoding="utf-8"))
        words |= loaded
    return words


TEXTS: Mapping[Lang, Mapping[str, str]] = {
    "de": _load("de", "fields.de", "messages.de"),
    "en": _load("en", "fields.en", "messages.en"),
}
