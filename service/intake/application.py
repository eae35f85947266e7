"""The second answer of enhanced mode: the application acknowledgement (HL7 2.9 chapter 2.9.3.2, table 0155)."""

from service.intake.answer import is_acknowledgment
from service.model import Ack
from service.ports import Message


def answer_application(message: Message, accepted: Ack) -> Ack | None:
    """What follows the accept acknowledgement ``accepted``, as MSH-16 asks; None where nothing does.

    Accepted here means kept, and its header's rules passed, so the application has taken the message by then:
    AA. A refusal is told once: by CE or CR where MSH-15 lets it be told, else by AE or AR.
    """
    condition = message.segments("MSH")[0].value(16).strip().upper()
    if is_acknowledgment(message) or condition not in ("AL", "ER", "SU"):
        return None
    if accepted.error is None:
        return None if condition == "ER" else Ack(mode="enhanced", code="AA")
    if accepted.code is not None or condition == "SU":
        return None
    # table 0357: 100 to 199 are errors, 200 to 299 rejections
    code = "AE" if accepted.error.code.startswith("1") else "AR"
    return Ack(mode="enhanced", code=code, error=accepted.error)
