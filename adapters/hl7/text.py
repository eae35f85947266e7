"""Bytes to text and back: character sets (HL7 2.9 table 0211) and escape sequences (chapter 2.7)."""

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache

_CHARSETS = {
    "ASCII": "ascii",
    "US-ASCII": "ascii",
    "ISO IR6": "ascii",
    **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    **{f"ISO-8859-{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "ISO IR14": "shift_jis",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
}
"""MSH-18 to a Python codec. UTF-16 and UTF-32 are missing on purpose: bytes in which ``MSH`` was
found byte by byte are not in them, whatever the header says."""


def _byte_as_latin1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("byte_as_latin1", _byte_as_latin1)


def find_encoding(body: bytes, declared: str, fallback: str) -> str:
    """The codec for a message: MSH-18, else UTF-8 if valid, else ``fallback``.

    A declared set that the bytes contradict (``ASCII`` beside an umlaut) is passed over, except
    UTF-8: there single wrong bytes are repaired in :func:`decode` and the rest is believed.
    """
    encoding = _CHARSETS.get(declared.strip().upper())
    if encoding == "utf-8" or (encoding and _fits(body, encoding)):
        return encoding
    return "utf-8" if _fits(body, "utf-8") else fallback


def _fits(body: bytes, encoding: str) -> bool:
    if body.isascii() and encoding.startswith(("ascii", "iso8859", "cp", "utf-8")):
        return True
    try:
        body.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def decode(body: bytes, encoding: str) -> str:
    """Text of ``body``. A byte that the codec does not know reads as Latin-1: no message is lost to one."""
    return body.decode(encoding, "byte_as_latin1")


@dataclass(frozen=True, kw_only=True)
class Separators:
    """MSH-1 and MSH-2. A character that MSH-2 does not have is empty and never separates."""

    field: str
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    sub: str = "&"
    truncation: str = ""


def read_separators(field: str, encoding_characters: str) -> Separators:
    """``^~\\&`` where MSH-2 is empty, else its characters in order, absent ones unused."""
    if not encoding_characters:
        return Separators(field=field)
    component, repetition, escape, sub, truncation = [*encoding_characters[:5], "", "", "", ""][:5]
    return Separators(
        field=field, component=component, repetition=repetition, escape=escape, sub=sub, truncation=truncation
    )


_FORMATTING = re.compile(r"\.(br|sp|ce|fi|nf|in|ti|sk)\s*([+-]?\d{0,3})$")


@lru_cache(maxsize=64)
def _escape_pattern(escape: str) -> re.Pattern[str]:
    e = re.escape(escape)
    # Adjacent hex escapes are one match, since a UTF-8 character may be spread over them.
    return re.compile(rf"(?:{e}X(?:[0-9A-Fa-f]{{2}})+{e})+|{e}([^{e}\r\n]*){e}")


def unescape(text: str, separators: Separators, encoding: str) -> str:
    """Resolve ``\\F\\ \\S\\ \\T\\ \\R\\ \\E\\ \\P\\``, ``\\.br\\`` and its kin, ``\\Xhh..\\``, ``\\H\\ \\N\\``.

    A sequence that is unknown (``\\Zxx\\``, ``\\Cxxyy\\``) stays as sent: words are never dropped.
    """
    escape = separators.escape
    if not escape or escape not in text:
        return text
    delimiters = {
        "F": separators.field,
        "S": separators.component,
        "T": separators.sub,
        "R": separators.repetition,
        "E": escape,
        "P": separators.truncation or "#",
        "H": "",
        "N": "",
    }

    def resolve(match: re.Match[str]) -> str:
        code = match[1]
        if code is None:
            digits = match[0].replace(escape + "X", "").replace(escape, "")
            return decode(bytes.fromhex(digits), encoding)
        if code in delimiters:
            return delimiters[code]
        formatting = _FORMATTING.match(code)
        if formatting is None:
            return match[0]
        command, count = formatting.groups()
        if command in ("br", "ce"):
            return "\n"
        if command == "sp":
            return "\n" * max(1, int(count)) if count.isdigit() else "\n"
        return " " * int(count) if command == "sk" and count.isdigit() else ""

    return _escape_pattern(escape).sub(resolve, text)


def escape(text: str) -> str:
    """``text`` as one component of a message with the usual separators ``|^~\\&``."""
    escaped = text.replace("\\", "\\E\\")
    for character, code in (("|", "F"), ("^", "S"), ("~", "R"), ("&", "T")):
        escaped = escaped.replace(character, f"\\{code}\\")
    return re.sub(r"\r\n|\r|\n", r"\\.br\\", re.sub(r"[\x00-\x09\x0b\x0c\x0e-\x1f]", " ", escaped))
