"""Rules tried out on stored messages before they go live. Only reads; what it tells names no patient."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo

from service.chart import ChartMapping
from service.filing import find_case
from service.model import ListedMessage, MessageFilter, Reading, Start, StoredMessage
from service.occasion import read_again
from service.ports import MessageReader, Transaction
from service.starting import Occasion, Rule, decide, normal_class
from service.steps import place_of

_PAGE = 500


@dataclass(frozen=True, kw_only=True)
class Begun:
    """One letter: by which message of which case (None while the message waits to be read), and why."""

    case_id: str | None
    control_id: str
    at: datetime
    department: str
    start: Start


@dataclass(frozen=True, kw_only=True)
class Unmatched:
    """Messages by which a visit or a course ended, and no rule was for them."""

    department: str
    patient_class: str
    event: str


@dataclass(kw_only=True)
class Trial:
    """What came out. ``would``, ``did``: at most one letter a visit, by a token of the visit; ``did`` is what the
    rules in force at the time decided. ``waiting``: kept, but not read yet."""

    messages: int = 0
    waiting: int = 0
    refused: int = 0
    would: dict[str, Begun] = field(default_factory=dict)
    did: dict[str, Begun] = field(default_factory=dict)
    unmatched: Counter[Unmatched] = field(default_factory=Counter)
    departments: Counter[str] = field(default_factory=Counter)

    @property
    def more(self) -> list[Begun]:
        """What these rules start, and those in force did not."""
        return [begun for visit, begun in self.would.items() if visit not in self.did]

    @property
    def fewer(self) -> list[Begun]:
        return [begun for visit, begun in self.did.items() if visit not in self.would]


@dataclass(kw_only=True)
class _Seen:
    """What the trial reads with, and what it remembers of visits: where they are, and whether they had their letter
    before."""

    since: datetime
    reader: MessageReader
    authorities: Mapping[str, str]
    local: tzinfo
    places: dict[str, tuple[str, str]] = field(default_factory=dict)
    had_letter: dict[str, bool] = field(default_factory=dict)


def try_rules(
    begin: Callable[[], AbstractContextManager[Transaction]],
    rules: Sequence[Rule],
    *,
    since: datetime,
    until: datetime,
    reader: MessageReader,
    authorities: Mapping[str, str],
    local: tzinfo,
    mapping: ChartMapping | None = None,
    progress: Callable[[], object] = lambda: None,
) -> Trial:
    """What ``rules`` would have started of the messages received from ``since`` until before ``until``.

    A visit that had its letter before is left out: a trigger would have been an update. A cancelled discharge
    takes no letter out of the count, for it was begun. ``begin`` opens transactions that only read; ``progress``
    is called for each message. Raises StoreUnavailable.
    """
    trial, seen = Trial(), _Seen(since=since, reader=reader, authorities=authorities, local=local)
    for tx, row in _received(begin, since, until):
        progress()
        trial.messages += 1
        trial.waiting += row.state == "stored"
        trial.refused += row.state == "refused"
        if row.state == "refused":
            continue
        stored = tx.message(row.id)
        told = read_again(stored, reader, authorities, mapping, local=local)
        if told is None:
            continue
        reading, occasion = told
        if reading.department:
            trial.departments[reading.department] += 1
        occasion = _placed(tx, seen, stored, reading, occasion)
        decision = decide(rules, reading, occasion)
        if decision.is_unmatched:
            trial.unmatched[_unmatched(reading, occasion)] += 1
        if decision.start is None and stored.start is None:
            continue
        case_id = stored.case_id or _case_of(tx, reading)
        visit = case_id or reading.case_key or f"message {stored.id}"
        if _had_letter(tx, seen, visit, case_id):
            continue
        for start, begun in ((decision.start, trial.would), (stored.start, trial.did)):
            if start is not None:
                begun.setdefault(visit, _begun(stored, reading, occasion, case_id, start))
    return trial


def _received(
    begin: Callable[[], AbstractContextManager[Transaction]], since: datetime, until: datetime
) -> Iterator[tuple[Transaction, ListedMessage]]:
    """In order of arrival, a page a transaction: a long one would hold back the store's own upkeep."""
    wanted, after = MessageFilter(since=since, until=until), ""
    while True:
        with begin() as tx:
            page = list(reversed(tx.list_messages(wanted, limit=_PAGE, after=after)))
            for row in page:
                yield tx, row
        if len(page) < _PAGE:
            return
        after = page[-1].id


def _case_of(tx: Transaction, reading: Reading) -> str | None:
    case = None if reading.case_key is None else find_case(tx, reading.case_key)
    return None if case is None else case.id


def _placed(tx: Transaction, seen: _Seen, stored: StoredMessage, reading: Reading, occasion: Occasion) -> Occasion:
    """As when it is read in earnest: what a course's result does not say of the place is the visit's."""
    key = reading.case_key or ""
    if reading.department:
        seen.places[key] = (reading.department, reading.patient_class)
    if not occasion.course_completed:
        return occasion
    if key not in seen.places and (case_id := stored.case_id or _case_of(tx, reading)) is not None:
        seen.places[key] = place_of(tx, case_id, seen.reader, seen.authorities, local=seen.local)
    department, patient_class = seen.places.get(key, ("", ""))
    return replace(occasion, department=department, patient_class=patient_class)


def _had_letter(tx: Transaction, seen: _Seen, visit: str, case_id: str | None) -> bool:
    if visit not in seen.had_letter:
        begun = None if case_id is None else tx.get("start", case_id)
        if begun is None:
            seen.had_letter[visit] = False
        elif begun["message"]:
            seen.had_letter[visit] = tx.listed_message(begun["message"]).received_at < seen.since
        else:
            seen.had_letter[visit] = True  # a physician asked for it: what comes then is an update
    return seen.had_letter[visit]


def _unmatched(reading: Reading, occasion: Occasion) -> Unmatched:
    return Unmatched(
        department=reading.department or occasion.department,
        patient_class=normal_class(reading.patient_class or occasion.patient_class),
        event="course_end" if occasion.course_completed else reading.event.value,
    )


def _begun(stored: StoredMessage, reading: Reading, occasion: Occasion, case_id: str | None, start: Start) -> Begun:
    return Begun(
        case_id=case_id,
        control_id=stored.control_id,
        at=stored.received_at,
        department=reading.department or occasion.department,
        start=start,
    )
