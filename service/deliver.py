"""What goes into the EHR's inbox, and when it may go there again.

An attempt whose outcome nobody knows is never simply repeated: the EHR is asked first what it holds
under the draft's key. The key is the case and the count of its drafts, so the same draft has the same
key however often, and by whichever worker, it is delivered.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime

from service.errors import EhrRefused, SignatureRefused, UnusableInput
from service.model import Case, Chart, DraftDocument, Lang, Letter, Posted, Severity, Signature, Verification
from service.ports import Inbox


def draft_key(case: Case) -> str:
    """``<case id>.<generation>``: the idempotency key of a case's current draft. Holds no PHI."""
    return f"{case.id}.{case.generation}"


def draft_title(chart: Chart, lang: Lang) -> str:
    """Names radiotherapy where the chart has a course, and never the patient: inboxes list titles."""
    irradiated = any(fact.handle.startswith("course.") for fact in chart.facts)
    if lang == "de":
        return "Arztbrief Strahlentherapie (Entwurf)" if irradiated else "Arztbrief (Entwurf)"
    return "Radiation oncology letter (draft)" if irradiated else "Physician letter (draft)"


def draft_document(
    case: Case,
    letter: Letter,
    verification: Verification,
    *,
    chart: Chart,
    refs: tuple[str, str, str],
    review_url: str,
    clock: Callable[[], datetime],
) -> DraftDocument:
    """The document of a case's current draft.

    Args:
        refs: (patient, encounter, owner) at the EHR, as :meth:`service.ports.ChartSource.references`
            gives them; empty where unknown.
        clock: now, with time zone.

    Raises:
        UnusableInput: the letter does not say who wrote it; a draft without author is not delivered.
    """
    if letter.writer is None:
        raise UnusableInput("letter.writer is empty", remedy="Draft the letter again.")
    patient, encounter, owner = refs
    return DraftDocument(
        key=draft_key(case),
        case_id=case.id,
        title=draft_title(chart, letter.lang),
        text=letter.text,
        lang=letter.lang,
        created_at=clock(),
        patient_ref=patient,
        encounter_ref=encounter,
        owner_ref=owner,
        review_url=review_url,
        writer=letter.writer,
        findings_block=_count(verification, Severity.BLOCK),
        findings_warn=_count(verification, Severity.WARN),
    )


def _count(verification: Verification, severity: Severity) -> int:
    return sum(finding.severity is severity for finding in verification.findings)


def deliver(
    inbox: Inbox, draft: DraftDocument, *, replaces: Posted | None = None, last_attempt_ambiguous: bool = False
) -> Posted:
    """Post a draft; ``replaces`` is the former draft of the same case, which is superseded.

    After an ambiguous attempt the EHR is asked first. What it holds completely is taken as it is; with
    a former draft to supersede the post is repeated even then, since a server without transactions
    may have stopped half-way, and the post adds only what lacks.

    Raises:
        EhrUnavailable: nothing was stored; try again later.
        EhrAmbiguous: try again with ``last_attempt_ambiguous``.
        EhrRefused: a person must act.
    """
    if last_attempt_ambiguous:
        found = inbox.find(draft.key)
        if found is not None and found.task and replaces is None:
            return found
    return inbox.post(draft, replaces=replaces)


def finalize(inbox: Inbox, *, key: str, posted: Posted | None, text: str, signature: Signature) -> Posted:
    """Make the signed text the EHR's final document. Safe to repeat after any failure.

    ``posted`` None: it was never confirmed where the draft lies, so the EHR is asked by ``key``.

    Raises:
        SignatureRefused: the text is not the one that was signed.
        EhrRefused: the EHR holds no such document, or not in a state that can be signed.
        EhrUnavailable, EhrAmbiguous: try again; the inbox reads before it writes.
    """
    if hashlib.sha256(text.encode()).hexdigest() != signature.digest:
        raise SignatureRefused("the text's digest is not the signature's", remedy="Open the review and sign again.")
    place = posted or inbox.find(key)
    if place is None:
        raise EhrRefused("there is no document under this draft's key", remedy="Deliver the draft first.")
    inbox.finalize(place, text=text, signature=signature)
    return place


def withdraw(inbox: Inbox, *, key: str, posted: Posted | None, reason: str) -> Posted | None:
    """Take a draft back; None where the EHR holds none. Safe to repeat after any failure.

    ``posted`` None: nobody knows whether it arrived, so the EHR is asked by ``key``. The same errors
    as :func:`finalize`, EhrRefused also where the document is signed.
    """
    place = posted or inbox.find(key)
    if place is not None:
        inbox.withdraw(place, reason=reason)
    return place
