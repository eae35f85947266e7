"""Handles in the reader's words: ``course.1.volume.2.dose`` is "Serie 1, Volumen 2: Dosis"."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from service.model import Lang
from service.web.texts import TEXTS

_HANDLE = re.compile(r"\b[a-z]+(?:\.[a-z0-9_]+)+\b")


@dataclass(frozen=True, kw_only=True)
class Field:
    """A handle taken apart. ``items``: (kind, number) from the outside in; empty for what is there once."""

    group: str
    items: tuple[tuple[str, int], ...]
    leaf: str

    @property
    def stem(self) -> str:
        return ".".join(f"{kind}.{number}" for kind, number in self.items) or self.group


def take_apart(handle: str) -> Field:
    """Any handle; an unknown one is its own last word."""
    parts = handle.split(".")
    items: list[tuple[str, int]] = []
    place = 0
    while place + 1 < len(parts) and parts[place + 1].isdecimal():
        items.append((parts[place], int(parts[place + 1])))
        place += 2
    if place == 0:
        return Field(group=parts[0], items=(), leaf=parts[-1])
    leaf = parts[-1] if place < len(parts) else items[-1][0]
    return Field(group=parts[0], items=tuple(items), leaf=leaf)


def field_label(handle: str, ui: Lang) -> str:
    """What the field is called beside its value: "Dosis"."""
    field, words = take_apart(handle), TEXTS[ui]
    kind = field.items[-1][0] if field.items else field.group
    return words.get(f"f_{kind}.{field.leaf}") or words.get(f"f_{field.leaf}") or field.leaf


def item_label(kind: str, number: int, ui: Lang) -> str:
    return f"{TEXTS[ui].get(f'i_{kind}', kind)} {number}"


def full_label(handle: str, ui: Lang) -> str:
    """What the field is called where it stands alone."""
    field = take_apart(handle)
    owner = ", ".join(item_label(kind, number, ui) for kind, number in field.items)
    owner = owner or TEXTS[ui].get(f"g_{field.group}", field.group)
    if field.items and field.leaf == field.items[-1][0]:
        return owner
    return f"{owner}: {field_label(handle, ui)}"


def in_words(message: str, handles: Iterable[str], ui: Lang) -> str:
    """A finding's message with the chart's handles as words."""
    known = set(handles)
    return _HANDLE.sub(lambda found: full_label(found[0], ui) if found[0] in known else found[0], message)
