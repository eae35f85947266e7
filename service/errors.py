"""One tree of errors.

Retries look at one thing, :attr:`EpikriseError.recovery`. A message carries codes, field names and
paths, never content of a message, a chart or a letter: errors end up in logs and on screens.
"""

from enum import StrEnum
from typing import ClassVar


class Recovery(StrEnum):
    """What the pipeline may do after an error."""

    TRANSIENT = "transient"
    """Nothing happened outside; the same call may be repeated later."""
    AMBIGUOUS = "ambiguous"
    """The other side may have acted; ask it before repeating anything."""
    PERMANENT = "permanent"
    """Repeating changes nothing; a person must act."""


class EpikriseError(Exception):
    """Something failed in a way this system foresaw.

    Attributes:
        code: stable, lower-case, for logs and metrics (``model_damaged``).
        detail: where, in field names, codes and paths.
        remedy: the next thing to do, one sentence.
        exit_code: what the command line returns (DESIGN section 4).
    """

    recovery: ClassVar[Recovery] = Recovery.PERMANENT
    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, detail: str = "", *, remedy: str = "") -> None:
        summary = (type(self).__doc__ or "").strip().split("\n")[0].rstrip(".")
        super().__init__(". ".join(part for part in (summary, detail, remedy) if part))
        self.detail = detail
        self.remedy = remedy


class UnusableInput(EpikriseError):
    """The input cannot be read."""

    code = "unusable_input"
    exit_code = 2


class UnusableElement(UnusableInput):
    """The input cannot be read.

    ``expression``: FHIRPath of the element at fault; ``issue``: a code of http://hl7.org/fhir/issue-type.
    """

    def __init__(self, detail: str, *, remedy: str, expression: str, issue: str) -> None:
        super().__init__(detail, remedy=remedy)
        self.expression = expression
        self.issue = issue


class WrongSetting(EpikriseError):
    """A setting is missing or wrong."""

    code = "wrong_setting"
    exit_code = 2


class Unreachable(EpikriseError):
    """A dependency cannot be reached."""

    recovery = Recovery.TRANSIENT
    code = "unreachable"
    exit_code = 3


class StoreUnavailable(Unreachable):
    """The store cannot be reached or cannot commit."""

    code = "store_unavailable"


class BrokerUnavailable(Unreachable):
    """The broker cannot be reached; steps wait in the store until it is back."""

    code = "broker_unavailable"


class EhrUnavailable(Unreachable):
    """The EHR cannot be reached or is overloaded; nothing was stored there.

    ``retry_after``: seconds that the EHR asked to wait, None where it did not say.
    """

    code = "ehr_unavailable"

    def __init__(self, detail: str = "", *, remedy: str = "", retry_after: float | None = None) -> None:
        super().__init__(detail, remedy=remedy)
        self.retry_after = retry_after


class EhrAmbiguous(EpikriseError):
    """The EHR did not say whether it stored the document."""

    recovery = Recovery.AMBIGUOUS
    code = "ehr_ambiguous"
    exit_code = 3


class EhrRefused(EpikriseError):
    """The EHR refused the request.

    ``status`` is the HTTP status (None where the refusal is our own), ``issues`` the codes of
    http://hl7.org/fhir/issue-type that it gave.
    """

    code = "ehr_refused"

    def __init__(
        self, detail: str = "", *, remedy: str = "", status: int | None = None, issues: tuple[str, ...] = ()
    ) -> None:
        super().__init__(detail, remedy=remedy)
        self.status = status
        self.issues = issues


class ModelUnavailable(EpikriseError):
    """The model directory is missing, incomplete or damaged."""

    code = "model_unavailable"
    exit_code = 3


class WriterFailed(EpikriseError):
    """The model wrote nothing usable for this chart."""

    code = "writer_failed"


class LostLease(EpikriseError):
    """Another worker took this step over; this one's result is dropped."""

    recovery = Recovery.TRANSIENT
    code = "lost_lease"


class Conflict(EpikriseError):
    """Somebody else changed this case in the meantime."""

    recovery = Recovery.TRANSIENT
    code = "conflict"


class NotFound(EpikriseError):
    """There is no such case, step or message."""

    code = "not_found"
    exit_code = 2


class NotAllowed(EpikriseError):
    """The case's state does not permit this."""

    code = "not_allowed"


class SignatureRefused(EpikriseError):
    """The letter cannot be signed as it stands."""

    code = "signature_refused"


class KeyMissing(EpikriseError):
    """The key that encrypts the store is missing or does not fit."""

    code = "key_missing"
    exit_code = 3
