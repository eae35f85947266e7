"""Which characters a raw letter may go on with: an automaton over characters, so that any tokenizer can be masked.

The language: prose without digits and square brackets, in which ``[[handle]]`` of a given set may
stand, terms such as ``CTCAE v5`` or ``CA 15-3`` may carry their digits, a line may start with a list
number, and no number word stands before a unit.
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
            digit), ``gap`` (anything else).
        number: node of the current word among the number words; -1 when it is none.
        unit: node of the current word among the units; only while ``pending``.
        pending: words left that may not be a unit.
    """

    handle: int = 0
    terms: tuple[int, ...] = ()
    digits: bool = False
    edge: str = "line"
    number: int = -1
    unit: int = -1
    pending: int = 0


START = State()


def advance(state: State, char: str, handles: Trie) -> State | None:
    """The state after one more character, or None where it is forbidden."""
    if state.handle:
        node = handles.step(state.handle, char)
        if node < 0:
            return None
        return State(edge="gap") if handles.marks[node] else State(handle=node, edge="gap")
    if char == "[":
        closed = _close_word(state, char)
        node = handles.step(0, char)
        return None if closed is None or node < 0 else State(handle=node, edge="gap")
    if char == "]" or (char not in "0123456789" and _is_numeral(char)):
        return None
    if char in "0123456789":
        return _digit(state, char)
    return _other(state, char)


def may_end(state: State) -> bool:
    """Whether a letter may stop here: no handle or term is unfinished, no unit follows a number word."""
    return state.handle == 0 and _close_word(state, "\n") is not None


def is_plain(state: State) -> bool:
    """Whether nothing is open: then a piece without digits, brackets and inner word breaks can do no harm."""
    return (
        state.handle == 0
        and not state.digits
        and state.pending == 0
        and (state.number < 0 or not numbers().marks[state.number])
    )


def _is_numeral(char: str) -> bool:
    return ord(char) > 127 and unicodedata.category(char).startswith("N")


def _moved(state: State, char: str) -> tuple[int, ...]:
    """Nodes of the terms that this character continues or begins; a term begins where a word can."""
    trie = terms()
    starts = {0} if state.edge != "word" and not state.digits else set()
    if state.edge == "line":
        starts.add(trie.step(0, "\n"))
    nodes = {trie.step(node, char) for node in {*state.terms, *starts}}
    return tuple(sorted(node for node in nodes if node >= 0))


def _digit(state: State, char: str) -> State | None:
    nodes = _moved(state, char)
    return State(terms=nodes, digits=True, edge="word") if nodes else None


def _other(state: State, char: str) -> State | None:
    if char == "\n":
        closed = _close_word(state, char)
        return closed._replace(edge="line") if closed else None
    nodes = _moved(state, char)
    letter = char.isalpha()
    if state.digits and nodes:
        if any(terms().marks[node] == "list" for node in nodes):
            return State(edge="gap", pending=WINDOW)
        return State(terms=nodes, digits=True, edge="word" if letter else "gap")
    if state.digits and letter:
        return None
    if letter:
        return _letter(state, char, nodes)
    closed = _close_word(state, char)
    return closed._replace(terms=nodes, edge="gap") if closed else None


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
        return State() if any(terms().marks[node] for node in state.terms) else None
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
