"""What starts a letter, once an institution's rules have decided it."""

from dataclasses import dataclass
from enum import StrEnum


class Trigger(StrEnum):
    """The event that a letter is written for."""

    DISCHARGE = "discharge"
    COURSE_END = "course_end"  # the last fraction of a radiotherapy course; mostly ambulatory
    FOLLOW_UP = "follow_up"  # an ambulatory visit
    REQUEST = "request"  # a physician asks for a draft now


class LetterKind(StrEnum):
    """What kind of letter is written."""

    DISCHARGE = "discharge"
    END_OF_RADIOTHERAPY = "end_of_radiotherapy"
    FOLLOW_UP = "follow_up"


@dataclass(frozen=True, kw_only=True)
class Start:
    """A letter starts: by which rule, why, and of which kind. Kept with the message that started it, for a rule
    that is changed later does not change what was decided."""

    rule: str
    trigger: Trigger
    letter: LetterKind
