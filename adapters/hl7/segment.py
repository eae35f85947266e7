"""One segment of an HL7 v2 message, taken apart when somebody asks (HL7 2.9 chapter 2.5)."""

from collections.abc import Sequence
from typing import Final

from adapters.hl7.text import Separators, unescape

_DELIMITED: Final = ("MSH", "FHS", "BHS")
"""Whose first two fields are the separators themselves."""


class Segment:
    """Implements :class:`service.ports.Segment`.

    ``""`` in a field (HL7: delete what you have) reads as the two characters ``""``, so that it can be
    told from an empty field (unchanged).
    """

    def __init__(
        self,
        name: str,
        index: int,
        text: str,
        separators: Separators,
        *,
        encoding: str,
        control_id: str | None = None,
        offset: str = "",
    ) -> None:
        self.name = name
        self.index = index
        self.encoding = encoding
        self._text = text
        self._separators = separators
        self._control_id = control_id
        self._offset = offset
        self._split: list[str] | None = None

    @property
    def _fields(self) -> list[str]:
        if self._split is None:
            fields = self._text.split(self._separators.field)
            self._split = fields if self.name != "MSH" else [fields[0], self._separators.field, *fields[1:]]
        return self._split

    def value(self, field: int, *, component: int = 1, sub: int = 1, repetition: int = 1) -> str:
        """One subcomponent, escapes resolved; ``""`` where there is none."""
        raw = self._raw(field, repetition)
        if not raw:
            return ""
        if field <= 2 and self.name in _DELIMITED:
            return raw if component == sub == 1 else ""
        marks = self._separators
        raw = _part(_part(raw, marks.component, component), marks.sub, sub)
        return unescape(raw, marks, self.encoding) if marks.escape in raw else raw

    def repetitions(self, field: int) -> int:
        """How many repetitions the field has; 0 if it is absent or empty."""
        if not self.sent(field):
            return 0
        if self._is_delimiters(field) or not self._separators.repetition:
            return 1
        return self._fields[field].count(self._separators.repetition) + 1

    def components(self, field: int, repetition: int = 1) -> Sequence[str]:
        """All components of a field, escapes resolved, subcomponents not taken apart; () if absent."""
        raw = self._raw(field, repetition)
        if not raw:
            return ()
        if self._is_delimiters(field) or not self._separators.component:
            return (raw,)
        parts = raw.split(self._separators.component)
        return tuple(unescape(part, self._separators, self.encoding) for part in parts)

    def sent(self, field: int) -> str:
        """The whole field as sent: not taken apart, escapes not resolved."""
        fields = self._fields
        return fields[field] if 1 <= field < len(fields) else ""

    def offset(self, field: int) -> str:
        """MSH-7's offset from UTC; ``""`` where it has none."""
        return self._offset

    def source(self, field: int, *, repetition: int = 1, component: int | None = None) -> str:
        """``MSH-10#SEG[n]-field[rep].component``; the component only if given."""
        control_id = self.sent(10) if self._control_id is None else self._control_id
        place = f"{control_id}#{self.name}[{self.index}]-{field}[{repetition}]"
        return place if component is None else f"{place}.{component}"

    def _raw(self, field: int, repetition: int) -> str:
        raw = self.sent(field)
        if not raw:
            return ""
        if field <= 2 and self.name in _DELIMITED:
            return raw if repetition == 1 else ""
        return _part(raw, self._separators.repetition, repetition)

    def _is_delimiters(self, field: int) -> bool:
        return field <= 2 and self.name in _DELIMITED


def _part(text: str, separator: str, number: int) -> str:
    if not separator or separator not in text:
        return text if number == 1 else ""
    if number == 1:
        return text.partition(separator)[0]
    parts = text.split(separator, number) if number > 1 else ()
    return parts[number - 1] if number <= len(parts) else ""
