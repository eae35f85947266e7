"""A typed value found in a letter."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Mention:
    """``text[start:end]`` states one of ``values``.

    ``type`` is a word of the contract's finding types, or ``dose_per_fraction``. ``values`` holds every
    reading of what is written (``03/04/2026`` has two), canonical, the likeliest first. ``label`` says
    what the words beside it call it (``planned``, ``per_fraction``, a unit), or nothing.
    """

    type: str
    start: int
    end: int
    text: str
    values: tuple[str, ...]
    label: str = ""

    @property
    def value(self) -> str:
        return self.values[0]
