"""Where two senders (MSH-3, MSH-4) contradict each other: the word of the later stands, and the other beside it.

Within one sender a later message replaces an earlier one, as HL7's snapshots do; of another's word it is no
correction.
"""

from collections.abc import Mapping, Sequence
from itertools import permutations

from service.chart.codes import table
from service.chart.items import Item, contradicted, with_clash
from service.ports import Message

_HELD_AGAINST = frozenset({"diagnosis", "comorbidity", "lab", "toxicity"})
"""Things with a key that says when or what: two doses of a drug, or two scores, may hold one after the other."""


def sender_of(message: Message) -> str:
    """``MSH-3|MSH-4``, the first components."""
    header = message.segments("MSH")[0]
    return f"{header.value(3).strip()}|{header.value(4).strip()}"


def by_sender(messages: Sequence[Message]) -> Mapping[str, list[Message]]:
    found: dict[str, list[Message]] = {}
    for message in messages:
        found.setdefault(sender_of(message), []).append(message)
    return found


def held_against(items: Sequence[Item], alone: Sequence[Sequence[Item]]) -> list[Item]:
    """``items`` of all messages, with the clashes that the items of each sender ``alone`` show."""
    found = []
    for item in items:
        grown = item
        for told in alone:
            for other in told:
                if item.key and item.kind in _HELD_AGAINST and (item.kind, item.key) == (other.kind, other.key):
                    grown = contradicted(grown, other)
        found.append(grown)
    return [_denial_held_against(item, alone) if denies_allergies(item) else item for item in found]


def denies_allergies(item: Item) -> bool:
    """No known allergy, told as one."""
    none_known = {row.partition("|")[2].strip() for row in table("no_allergy").values()}
    return item.kind == "allergy" and item.values["name"].value in none_known


def _denial_held_against(denial: Item, alone: Sequence[Sequence[Item]]) -> Item:
    """One sender knows of no allergy, another of one."""
    for mine, theirs in permutations(alone, 2):
        if any(each.kind == "allergy" and each.key == denial.key for each in mine):
            for each in theirs:
                if each.kind == "allergy" and not denies_allergies(each):
                    denial = with_clash(denial, "name", each.values["name"])
    return denial
