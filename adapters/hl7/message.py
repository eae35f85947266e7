"""One HL7 v2 message, read from the bytes as they came (HL7 2.9 chapter 2)."""

import codecs
import re
from collections.abc import Sequence
from functools import cached_property

from adapters.hl7.text import Separators, decode, find_encoding, read_separators, unescape
from service.errors import UnusableInput

FALLBACK = "latin-1"
_AT_START = rb"(?:\A|(?<=[\r\n\x0b\x1c])|(?<=\xef\xbb\xbf))"
_MSH = re.compile(rb"MSH(?<=" + _AT_START + rb"MSH)(?=[!-/:-@\[-`{-~])")
_END = re.compile(rb"[\x0b\x1c]|" + _AT_START + rb"(?:MSH|FHS|BHS|BTS|FTS)(?=[^A-Za-z0-9]|\Z)")


class Segment:
    """Implements :class:`service.ports.Segment`.

    ``""`` in a field (HL7: delete what you have) reads as the two characters ``""``, so that it can be
    told from an empty field (unchanged).
    """

    def __init__(
        self, name: str, index: int, text: str, separators: Separators, *, encoding: str, control_id: str | None = None
    ) -> None:
        self.name = name
        self.index = index
        self.encoding = encoding
        self._text = text
        self._separators = separators
        self._control_id = control_id

    @cached_property
    def _fields(self) -> list[str]:
        fields = self._text.split(self._separators.field)
        return fields if self.name != "MSH" else [fields[0], self._separators.field, *fields[1:]]

    def value(self, field: int, *, component: int = 1, sub: int = 1, repetition: int = 1) -> str:
        """One subcomponent, escapes resolved; ``""`` where there is none."""
        raw = self._raw(field, repetition)
        if not self._is_delimiters(field):
            raw = _part(_part(raw, self._separators.component, component), self._separators.sub, sub)
            return unescape(raw, self._separators, self.encoding)
        return raw if component == sub == 1 else ""

    def repetitions(self, field: int) -> int:
        """How many repetitions the field has; 0 if it is absent or empty."""
        if field < 1 or field >= len(self._fields) or not self._fields[field]:
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

    def source(self, field: int, *, repetition: int = 1, component: int | None = None) -> str:
        """``MSH-10#SEG[n]-field[rep].component``; the component only if given."""
        control_id = self.value(10) if self._control_id is None else self._control_id
        place = f"{control_id}#{self.name}[{self.index}]-{field}[{repetition}]"
        return place if component is None else f"{place}.{component}"

    def _raw(self, field: int, repetition: int) -> str:
        if field < 1 or field >= len(self._fields):
            return ""
        if self._is_delimiters(field):
            return self._fields[field] if repetition == 1 else ""
        return _part(self._fields[field], self._separators.repetition, repetition)

    def _is_delimiters(self, field: int) -> bool:
        return field <= 2 and self.name in ("MSH", "FHS", "BHS")


class Message:
    """Implements :class:`service.ports.Message`. The header is read at once, the rest when asked for."""

    def __init__(self, body: bytes, *, fallback: str) -> None:
        """``body`` starts with MSH and a separator; ``fallback`` is the codec where nothing names one."""
        head = re.split(rb"[\r\n]", body, maxsplit=1)[0].decode("latin-1")
        separators = read_separators(head[3], head[4:].partition(head[3])[0])
        declared = Segment("MSH", 1, head, separators, encoding="latin-1").value(18)
        self._body = body
        self._separators = separators
        self.encoding = find_encoding(body, declared, fallback)
        head_text = decode(head.encode("latin-1"), self.encoding)
        self.header = Segment("MSH", 1, head_text, separators, encoding=self.encoding)
        self.control_id = self.header.value(10)
        self.type = self.header.value(9)
        self.trigger = self.header.value(9, component=2)

    def segments(self, *names: str) -> Sequence[Segment]:
        if not names:
            return self._segments
        return tuple(segment for segment in self._segments if segment.name in names)

    @cached_property
    def _segments(self) -> tuple[Segment, ...]:
        counts: dict[str, int] = {}
        segments = []
        for line in self._lines():
            name = line[:3]
            counts[name] = counts.get(name, 0) + 1
            segments.append(
                Segment(name, counts[name], line, self._separators, encoding=self.encoding, control_id=self.control_id)
            )
        return tuple(segments)

    def _lines(self) -> list[str]:
        """One string a segment. A line that does not start like a segment is the raw line break of a
        field that was not escaped, and stays with its field."""
        text = decode(self._body, self.encoding).replace("\r\n", "\r").replace("\n", "\r")
        starts = re.compile(rf"[A-Z][A-Z0-9]{{2}}(?:{re.escape(self._separators.field)}|\s*$)")
        lines: list[str] = []
        for line in text.split("\r"):
            if starts.match(line):
                lines.append(line)
            elif line.strip(" \t\x00\x0b\x1c\x1a"):
                lines[-1] = f"{lines[-1]}\n{line}"
        return lines


def read_message(body: bytes, *, fallback: str = FALLBACK) -> Message:
    """The message that starts at the first ``MSH`` of ``body``.

    CR, LF and CRLF end a segment; MLLP's framing bytes and what stands before MSH are passed over.
    The character set is MSH-18's, else the byte order mark's, else UTF-8 if valid, else ``fallback``.

    Raises:
        UnusableInput: there is no MSH segment.
    """
    body = _in_single_bytes(body)
    start = _MSH.search(body)
    if start is None:
        raise UnusableInput("no MSH segment", remedy="Send HL7 v2 in its vertical-bar form (ER7).")
    end = body.find(b"\x1c", start.start())
    marked = body.endswith(codecs.BOM_UTF8, 0, start.start())
    return Message(body[start.start() : end if end >= 0 else None], fallback="utf-8" if marked else fallback)


def split_messages(data: bytes) -> list[bytes]:
    """The messages of a file: one or many, bare or in MLLP frames, with or without FHS/BHS/BTS/FTS.

    Raises:
        UnusableInput: there is no MSH segment in it.
    """
    data = _in_single_bytes(data)
    messages = []
    for start in _MSH.finditer(data):
        end = _END.search(data, start.end())
        messages.append(data[start.start() : end.start() if end else None])
    if not messages:
        raise UnusableInput("no MSH segment", remedy="Give a file of HL7 v2 messages in vertical-bar form (ER7).")
    return messages


def _in_single_bytes(data: bytes) -> bytes:
    """UTF-16, which only a file can be in, as UTF-8; anything else as it is."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return codecs.BOM_UTF8 + data.decode("utf-16", "replace").encode()
    return data


def _part(text: str, separator: str, number: int) -> str:
    if number < 1:
        return ""
    if not separator:
        return text if number == 1 else ""
    if number == 1:
        return text.partition(separator)[0]
    parts = text.split(separator, number)
    return parts[number - 1] if number <= len(parts) else ""
