"""The content of a kept message, for a person who may see it: on record before it is shown."""

import unicodedata

from service.errors import UnusableInput
from service.model import StoredMessage
from service.ports import Store

_MOST = 80


def open_message(store: Store, message_id: str, *, actor: str, action: str = "message_opened") -> StoredMessage:
    """The message with its bytes; ``actor`` and the opening stand in the audit trail by then.

    ``action``: ``message_opened`` or ``message_exported``.

    Raises:
        NotFound.
        UnusableInput: ``actor`` is no name (:func:`check_actor`).
        StoreUnavailable: the entry could not be written, so nothing is shown.
    """
    who = check_actor(actor)
    with store.begin() as tx:
        stored = tx.message(message_id)
        tx.audit(who, action, case_id=stored.case_id, detail=message_id)
    return stored


def check_actor(name: str) -> str:
    """A person's name as the audit trail can hold it: 2 to 80 printable characters, blanks folded.

    Raises UnusableInput, without what was given.
    """
    told = " ".join(unicodedata.normalize("NFC", name).split())
    if not 2 <= len(told) <= _MOST or not told.isprintable() or not any(each.isalpha() for each in told):
        raise UnusableInput(
            "the name of who opens it", remedy=f"Give your name, 2 to {_MOST} characters: it stands in the audit trail."
        )
    return told
