"""The styles' phrase books, read from ``books/<style>.<lang>.yaml`` over the language's common words."""

from functools import lru_cache
from importlib.resources import files

import yaml

from service.errors import WrongSetting
from service.model import Lang
from workers.training.styles.render import PhraseBook
from workers.training.styles.template import Template, parse_template

DEMONSTRATION_STYLE = "demonstration"
"""The institution whose style the demonstration's LoRA adapter learns; the base never reads it."""

STYLES: tuple[str, ...] = ("university", "telegraphic")
"""The institutions that the demonstration's base learns from."""

_LAST: dict[Lang, str] = {"de": " und ", "en": " and "}


@lru_cache
def phrase_book(style: str, lang: Lang) -> PhraseBook:
    """Raises WrongSetting for a style that is neither of STYLES nor the demonstration's."""
    if style not in (*STYLES, DEMONSTRATION_STYLE):
        raise WrongSetting(
            f"letter style {style[:30]!r} is not known", remedy=f"Choose one of {[*STYLES, DEMONSTRATION_STYLE]}."
        )
    common, own = _read(f"words.{lang}"), _read(f"{style}.{lang}")
    phrases = {**common["phrases"], **own["phrases"]}
    return PhraseBook(
        phrases={name: _variants(source) for name, source in phrases.items()},
        letter=tuple(parse_template(block.rstrip("\n")) for block in own["letter"]),
        last=_LAST[lang],
    )


def _read(name: str) -> dict[str, dict[str, str | list[str]]]:
    text = (files("workers.training.styles") / "books" / f"{name}.yaml").read_text(encoding="utf-8")
    read: dict[str, dict[str, str | list[str]]] = yaml.safe_load(text)
    return read


def _variants(source: str | list[str]) -> tuple[Template, ...]:
    return tuple(parse_template(each.rstrip("\n")) for each in ([source] if isinstance(source, str) else source))
