"""A small writer of HL7 v2 messages that shares no line with the reader: the tests read back what it wrote."""

from dataclasses import dataclass
from itertools import combinations

Field = list[list[list[str]]]
"""Repetitions of components of subcomponents."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """How a message is written: the five separators in MSH's order, MSH-18 with its codec, the segments' end."""

    field: str
    component: str
    repetition: str
    escape: str
    sub: str
    charset: str
    codec: str
    end: str

    def write(self, control_id: str, segments: list[tuple[str, list[Field]]]) -> bytes:
        marks = self.component + self.repetition + self.escape + self.sub
        header = ["MSH" + self.field + marks, "KIS", "KH", "EPI", "STR", "20260312093000", ""]
        header += [f"ADT{self.component}A08", self._escaped(control_id), "P", "2.5", "", "", "", "", ""]
        header += [self.repetition.join(map(self._escaped, self.charset.split("~")))]
        lines = [self.field.join(header)]
        lines += [self.field.join((name, *map(self._field, fields))) for name, fields in segments]
        return self.end.join((*lines, "")).encode(self.codec)

    def _field(self, field: Field) -> str:
        return self.repetition.join(
            self.component.join(self.sub.join(map(self._escaped, component)) for component in repetition)
            for repetition in field
        )

    def _escaped(self, text: str) -> str:
        codes = {self.field: "F", self.component: "S", self.sub: "T", self.repetition: "R", self.escape: "E"}
        told = (self.escape + codes[each] + self.escape if each in codes else each for each in text)
        return "".join(f"{self.escape}.br{self.escape}" if each == "\n" else each for each in told)


def are_distinct(marks: str) -> bool:
    return all(first != second for first, second in combinations(marks, 2))
