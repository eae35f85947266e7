"""Separators (HL7 2.9 chapter 2.5.4) and escape sequences (chapter 2.7)."""

import re
from dataclasses import dataclass
from functools import lru_cache

from adapters.hl7.charsets import decode


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


_FORMATTING = re.compile(r"\.(br|sp|ce|fi|nf|in|ti|sk)\s*([+-]?\d{0,3})$", re.IGNORECASE | re.ASCII)


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
            # hexadecimal digits are bytes also where characters came as 16 or 32 bits
            return decode(bytes.fromhex(digits), "utf-8" if encoding.startswith(("utf-16", "utf-32")) else encoding)
        if code in delimiters:
            return delimiters[code]
        formatting = _FORMATTING.match(code)
        if formatting is None:
            return match[0]
        command, count = formatting[1].lower(), formatting[2]
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
