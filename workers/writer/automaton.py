"""Which characters a raw letter may go on with: an automaton over characters, so that any tokenizer can be masked.

The language: prose without digits and square brackets, in which ``[[handle]]`` of a given set may
stand, terms such as ``CTCAE v5`` or ``CA 15-3`` may carry their digits, a line may start with a list
number, and no number word stands before a unit. A handle touches neither another one nor a term's
digits: filled in, the two values would read as one number.
"""

import unicodedata
from typing import NamedTuple

from workers.writer.terms import WINDOW, Trie, numbers, terms, units


class State(NamedTuple):
    """Where the text stands.

    Attributes:
        handle: node in the trie of references; 0 outside a handle.
        terms: nodes of the terms begun.
        digits: the terms begun have used a digit, so one of them must be finished.
        edge: what the last character was: ``line`` (break or start of text), ``word`` (letter or
            digit), ``handle`` (the end of one), ``gap`` (anything else).
        number: node of the current word among the number words; -1 when it is none.
        unit: node of the current word among the units; only while ``pending``.
        pending: words left that may not be a unit.
        breaks: line breaks since the last visible character; there is one blank line at most, and none
            at the start, for a model that has lost its way likes to write nothing else.
    """

    handle: int = 0
    terms: tuple[int, ...] = ()
    digits: bool = False
    edge: str = "line"
    number: int = -1
    unit: int = -1
    pending: int = 0
    breaks: int = 0


_MOST_BREAKS = 2
START = State(breaks=_MOST_BREAKS)


def advance(state: State, char: str, handles: Trie) -> State | None:
    """The state after one more character, or None where it is forbidden."""
    if state.handle:
        node = handles.step(state.handle, char)
        if node < 0:
            return None
        return State(edge="handle") if handles.marks[node] else State(handle=node, edge="gap")
    if char == "[":
        node = handles.step(0, char)
        touches = state.digits or state.edge == "handle"
        return None if touches or node < 0 or _close_word(state, char) is None else State(handle=node, edge="gap")
    if is_barred(char):
        return None
    if char in "0123456789":
        return _digit(state, char)
    return _other(state, char)


def may_end(state: State) -> bool:
    """Whether a letter may stop here: no handle or term is unfinished, no unit follows a number word."""
    return state.handle == 0 and _close_word(state, "\n") is not None


def is_plain(state: State) -> bool:
    """Whether no handle, digits or unit are begun: then a piece of one word can do harm by a unit only."""
    return state.handle == 0 and not state.digits and state.unit < 0


def awaits_unit(state: State) -> bool:
    """Whether the next word may not be a unit."""
    return state.pending > 0 or (state.number >= 0 and bool(numbers().marks[state.number]))


def is_barred(char: str) -> bool:
    """Whether no raw letter has this character outside a handle: ``]``, and beside the ten digits every numeral.

    Combining marks and invisible characters too: within a number word or a unit they would hide it.
    """
    if char in "\n\t" or "\x1f" < char < "\x7f":
        return char == "]"
    return char.isnumeric() or unicodedata.category(char) in _BARRED


_BARRED = frozenset({"Nd", "Nl", "No", "Mn", "Mc", "Me", "Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def _moved(state: State, char: str) -> tuple[int, ...]:
    """Nodes of the terms that this character continues or begins; a term begins where a word can."""
    trie = terms()
    starts = {0} if state.edge in ("line", "gap") and not state.digits else set()
    if state.edge == "line":
        starts.add(trie.step(0, "\n"))
    nodes = {trie.step(node, char) for node in {*state.terms, *starts}}
    return tuple(sorted(node for node in nodes if node >= 0))


def _digit(state: State, char: str) -> State | None:
    nodes = _moved(state, char)
    return State(terms=nodes, digits=True, edge="word", pending=state.pending) if nodes else None


def _other(state: State, char: str) -> State | None:
    if char == "\n":
        closed = _close_word(state, char) if state.breaks < _MOST_BREAKS else None
        return closed._replace(edge="line", breaks=state.breaks + 1) if closed else None
    nodes = _moved(state, char)
    letter = char.isalpha()
    if state.digits and nodes:
        if any(terms().marks[node] == "list" for node in nodes):
            return State(edge="gap", pending=WINDOW)
        if letter or not _is_whole(state):
            return State(terms=nodes, digits=True, edge="word" if letter else "gap", pending=state.pending)
        # "CTCAE v5." may be the end of a sentence as well as the beginning of "CTCAE v5.0"
    elif state.digits and letter:
        return None
    if letter:
        return _letter(state, char, nodes)
    closed = _close_word(state, char)
    return closed._replace(terms=nodes, edge="gap", breaks=state.breaks if char.isspace() else 0) if closed else None


def _letter(state: State, char: str, nodes: tuple[int, ...]) -> State | None:
    inside = state.edge == "word"
    low = char.lower() if len(char.lower()) == 1 else char
    number = state.number if inside else 0
    number = numbers().step(number, low) if number >= 0 else -1
    unit = -1
    if state.pending:
        unit = state.unit if inside else 0
        unit = units().step(unit, low) if unit >= 0 else -1
        if unit >= 0 and units().marks[unit] == "stem":
            return None
    return State(terms=nodes, edge="word", number=number, unit=unit, pending=state.pending)


def _close_word(state: State, char: str) -> State | None:
    """The state after the current word has ended at ``char``; terms and edge are the caller's to set."""
    if state.digits:
        return State(pending=max(state.pending - 1, 0)) if _is_whole(state) else None
    pending = state.pending
    if state.edge == "word":
        if state.unit >= 0 and units().marks[state.unit] == "word":
            return None
        if state.number >= 0 and numbers().marks[state.number]:
            pending = WINDOW
        elif pending:
            pending -= 1
    if char in ".;:!?\n":
        pending = 0
    return State(pending=pending)


def _is_whole(state: State) -> bool:
    return any(terms().marks[node] for node in state.terms)
