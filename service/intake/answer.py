"""Acknowledgement modes (HL7 2.9 chapter 2.9): which code, if any, a sender may be sent."""

from typing import Final

from service.model import Ack, AckError
from service.ports import Message

POSITIVE: Final = ("AA", "CA")
ERROR: Final = ("AE", "CE")
REJECTED: Final = ("AR", "CR")
UNAVAILABLE: Final = ("AR", "CE")
"""Nothing is wrong with the content, send again: AR in original mode, CE in enhanced mode."""


def is_acknowledgment(message: Message) -> bool:
    """Whether it is itself an answer; to answer one would never end."""
    return message.type in ("ACK", "MCF") or bool(message.segments("MSA"))


def answer(message: Message, codes: tuple[str, str], error: AckError | None = None) -> Ack:
    """The acknowledgement that this sender asked for.

    Args:
        codes: table 0008 in original and in enhanced mode, such as :data:`POSITIVE`.

    Enhanced mode is on if MSH-15 or MSH-16 is valued; then MSH-15 (table 0155) decides: ``AL`` always,
    ``NE`` never, ``ER`` for errors only, ``SU`` for success only. Where only MSH-16 is valued, or with a
    value outside the table, the sender is answered: over MLLP it would wait otherwise.
    """
    header = message.segments("MSH")[0]
    original, enhanced = codes
    condition = header.value(15).strip()
    is_enhanced = any(value not in ("", '""') for value in (condition, header.value(16).strip()))
    if is_acknowledgment(message):
        return Ack(mode="enhanced" if is_enhanced else "original", code=None)
    if not is_enhanced:
        return Ack(mode="original", code=original, error=error)
    is_positive = codes == POSITIVE
    is_silent = condition == "NE" or (condition == "ER" and is_positive) or (condition == "SU" and not is_positive)
    return Ack(mode="enhanced", code=None if is_silent else enhanced, error=error)
