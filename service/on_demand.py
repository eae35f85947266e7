"""A physician asks for a draft now, from the EHR's button or at the command line."""

from service import lifecycle
from service.effects import note_start, take_effect
from service.errors import NotAllowed, UnusableInput
from service.model import Case, LetterKind
from service.ports import MessageReader, Transaction
from service.starting import decide_request
from service.steps import place_of
from service.visit import status_of
from service.world import Rules

_LONGEST_ACTOR = 200


def request_draft(
    tx: Transaction,
    case_id: str,
    *,
    actor: str,
    rules: Rules,
    reader: MessageReader,
    letter: LetterKind | None = None,
) -> Case:
    """Begin a draft of one case; audited under ``actor``. A draft that is there or under way stays as it is.

    ``letter``: None leaves the kind to the rules.

    Raises:
        NotFound: there is no such case.
        NotAllowed: it is signed, held or failed, its visit was cancelled, or the rules switch its department off.
        UnusableInput: no actor is given.
    """
    who = " ".join(actor.split())
    if not who or len(who) > _LONGEST_ACTOR:
        raise UnusableInput("actor", remedy="Say who asks for the draft, in at most 200 characters.")
    case = tx.case(case_id)
    consequence = lifecycle.request_draft(case, status_of(tx.turns_of(case.id)))
    if consequence.case.generation == case.generation:
        return case
    department, patient_class = place_of(tx, case.id, reader, rules.authorities, local=rules.local)
    decision = decide_request(rules.starts, department, patient_class, letter)
    if decision.start is None:
        raise NotAllowed(decision.reason, remedy="Change letter.rules if letters are wanted there.")
    case = take_effect(tx, consequence)
    note_start(tx, case, decision.start)
    tx.audit(who, "draft_requested", case_id=case.id, detail=decision.start.letter.value)
    return case
