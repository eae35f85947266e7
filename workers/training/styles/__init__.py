"""Synthetic letters in the styles of invented institutions, every chart value a handle.

A style is a file ``books/<style>.<lang>.yaml``: the blocks of its letter in order and its phrases,
in the language of ``template``. What the chart lacks is left out or truthfully called missing;
nothing is said that no fact bears. All facts of the chart are stated once, save those that a letter
of the style never tells (:func:`required_handles` leaves them out): the parts of a name or TNM told
as a whole, the unit that a laboratory value's display carries, and numbers of patient and visit.
"""

import re
from random import Random

from service.model import Chart, Lang
from workers.training.styles.books import DEMONSTRATION_STYLE, STYLES, phrase_book
from workers.training.styles.render import write_letter
from workers.training.styles.view import View

__all__ = ["DEMONSTRATION_STYLE", "STYLES", "compose", "required_handles", "stated_handles"]

_HANDLE = re.compile(r"\[\[([a-z0-9_.]+)(?::[a-z]+)?\]\]")


def compose(chart: Chart, style: str, lang: Lang, rng: Random) -> str:
    """A raw letter as a physician of this institution writes it; the same for the same arguments.

    ``rng`` chooses among the style's wordings only. Raises WrongSetting for an unknown style.
    """
    return write_letter(phrase_book(style, lang), View(chart=chart), rng)


def required_handles(chart: Chart, style: str, lang: Lang) -> frozenset[str]:
    """The handles that a letter of this style states for this chart, whatever its wording."""
    return frozenset(stated_handles(compose(chart, style, lang, Random(0))))


def stated_handles(raw: str) -> tuple[str, ...]:
    """Handles of a raw letter, without their forms, in order and as often as they occur."""
    return tuple(_HANDLE.findall(raw))
