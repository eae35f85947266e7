"""Strict decoding: for each step the set of tokens after which the letter is still lawful.

Per tokenizer, once: which tokens can do no harm in a plain state, and which must be looked at.
Per chart, once: which tokens open (or are) a handle. Per step: three ors and, in a state not seen
before, a walk over the tokens that must be looked at; over all of them only within a unit or a term.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch

from workers.writer.automaton import START, State, advance, awaits_unit, is_barred, is_plain, may_end
from workers.writer.terms import UNIT_STEMS, UNIT_WORDS, Trie, build_trie
from workers.writer.vocabulary import Vocabulary

_NO_HANDLES = build_trie([])
_MEMO_BYTES = 2**28
"""Masks remembered at most, a byte a token; a letter of a trained model meets a few dozen states."""
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A state between tokens: the automaton's, and the bytes of a character not yet complete."""

    state: State = START
    partial: bytes = b""


@dataclass(frozen=True, kw_only=True)
class TokenClasses:
    """A tokenizer's tokens, told apart once.

    ``harmless``: mask of tokens lawful in every plain state that awaits no unit. ``ordinary``: their ids.
    ``units``: those of them whose word begins like a unit. ``watched``: the other tokens without an
    opening bracket. ``opening``: tokens with one. ``seen``: by place, a mask over all without a bracket.
    """

    vocabulary: Vocabulary
    harmless: torch.Tensor
    ordinary: tuple[int, ...]
    units: tuple[int, ...]
    watched: tuple[int, ...]
    opening: tuple[int, ...]
    seen: dict[Place, torch.Tensor] = field(default_factory=dict)


def classify(vocabulary: Vocabulary) -> TokenClasses:
    """Tell a tokenizer's tokens apart; about a second for 128,000."""
    harmless = torch.zeros(len(vocabulary.pieces), dtype=torch.bool)
    watched: list[int] = []
    opening: list[int] = []
    ordinary: list[int] = []
    for number, piece in enumerate(vocabulary.pieces):
        if piece is None or piece == b"" or number in vocabulary.end:
            continue
        if b"[" in piece:
            opening.append(number)
        elif _is_harmless(piece):
            ordinary.append(number)
        else:
            watched.append(number)
    harmless[ordinary] = True
    return TokenClasses(
        vocabulary=vocabulary,
        harmless=harmless,
        ordinary=tuple(ordinary),
        units=tuple(number for number in ordinary if _begins_like_unit(vocabulary.pieces[number] or b"")),
        watched=tuple(watched),
        opening=tuple(opening),
    )


def _is_harmless(piece: bytes) -> bool:
    try:
        text = piece.decode()
    except UnicodeDecodeError:
        return False
    if any(char in "0123456789[\n" or is_barred(char) for char in text):
        return False
    # In two words the second might be a unit after a number word that the first completes.
    return len(_WORD.findall(text)) <= 1


def _begins_like_unit(piece: bytes) -> bool:
    return any(word.lower().startswith((*UNIT_STEMS, *UNIT_WORDS)) for word in _WORD.findall(piece.decode()))


class Guard:
    """Strict decoding for one chart: which tokens may follow, and what a token does."""

    def __init__(self, classes: TokenClasses, references: Iterable[str]) -> None:
        """``references``: the ``[[handle]]`` and ``[[handle:form]]`` that the letter may contain."""
        self._classes = classes
        self._handles = build_trie((reference, "handle") for reference in references)
        self._pieces = classes.vocabulary.pieces
        fresh = Place()
        first = [n for n in classes.opening if (self._pieces[n] or b"").startswith(b"[")]
        self._later = tuple(n for n in classes.opening if n not in set(first))
        # After an opening bracket nothing of the former state counts, so this holds for every state.
        self._opened = self._mask(first, fresh, self._handles)
        self._seen: dict[Place, torch.Tensor] = {}
        self._by_first_byte: dict[int, list[int]] | None = None

    def follow(self, place: Place, token: int) -> Place | None:
        """The place after a token, or None if it is forbidden there."""
        return _follow(place, self._pieces[token], self._handles)

    def may_end(self, place: Place) -> bool:
        """Whether the letter may stop here."""
        return not place.partial and may_end(place.state)

    def allowed(self, place: Place) -> torch.Tensor:
        """Mask over the vocabulary, bool; the end of text is among them where :meth:`may_end`."""
        mask = self._seen.get(place)
        if mask is None:
            mask = self._within_handle(place) if place.state.handle else self._without_handle(place)
            if self.may_end(place):
                mask[list(self._classes.vocabulary.end)] = True
            self._seen[place] = mask
        return mask

    def asks_absent_handle(self, place: Place, token: int) -> bool:
        """Whether this forbidden token would begin, or go on with, a handle that is not among the references."""
        piece = self._pieces[token]
        if piece is None:
            return place.state.handle > 0
        for end in range(len(piece) + 1):
            reached = _follow(place, piece[:end], self._handles)
            if reached is None:
                before = _follow(place, piece[: end - 1], self._handles)
                return before is not None and (before.state.handle > 0 or piece[end - 1 : end] == b"[")
        return False

    def _within_handle(self, place: Place) -> torch.Tensor:
        if self._by_first_byte is None:
            self._by_first_byte = {}
            for number, piece in enumerate(self._pieces):
                if piece:
                    self._by_first_byte.setdefault(piece[0], []).append(number)
        following = self._handles.children[place.state.handle]
        return self._mask(
            (n for char in following for n in self._by_first_byte.get(ord(char), ())), place, self._handles
        )

    def _without_handle(self, place: Place) -> torch.Tensor:
        known = self._classes.seen.get(place)
        if known is None:
            known = self._common(place)
            if (len(self._classes.seen) + 1) * len(self._pieces) <= _MEMO_BYTES:
                self._classes.seen[place] = known
        mask = known.clone()
        if _follow(place, b"[", _ANY_BRACKET) is not None:
            mask |= self._opened
        return mask | self._mask(self._later, place, self._handles)

    def _common(self, place: Place) -> torch.Tensor:
        """Tokens without an opening bracket: the same for every chart."""
        looked_at = self._mask(self._classes.watched, place, _NO_HANDLES)
        if place.partial:
            return looked_at  # all others begin with a whole character
        if not is_plain(place.state):
            return looked_at | self._mask(self._classes.ordinary, place, _NO_HANDLES)
        mask = looked_at | self._classes.harmless
        if awaits_unit(place.state) and self._classes.units:
            mask[list(self._classes.units)] = False
            mask |= self._mask(self._classes.units, place, _NO_HANDLES)
        return mask

    def _mask(self, tokens: Iterable[int], place: Place, handles: Trie) -> torch.Tensor:
        mask = torch.zeros(len(self._pieces), dtype=torch.bool)
        lawful = [n for n in tokens if _follow(place, self._pieces[n], handles) is not None]
        if lawful:
            mask[lawful] = True
        return mask


_ANY_BRACKET = build_trie([("[[", "handle")])


def _follow(place: Place, piece: bytes | None, handles: Trie) -> Place | None:
    if piece is None:
        return None
    characters, rest = _characters(place.partial + piece)
    if characters is None:
        return None
    state: State | None = place.state
    step = partial(advance, handles=handles)
    for char in characters:
        state = step(state, char) if state is not None else None
        if state is None:
            return None
    if state is None or (rest and not _may_complete(rest, state)):
        return None
    return Place(state=state, partial=rest)


def _characters(data: bytes) -> tuple[str | None, bytes]:
    """The complete characters of UTF-8 bytes and the unfinished rest; None where they are not UTF-8."""
    try:
        return data.decode(), b""
    except UnicodeDecodeError as fault:
        if fault.reason != "unexpected end of data":
            return None, b""
        return data[: fault.start].decode(), data[fault.start :]


def _may_complete(rest: bytes, state: State) -> bool:
    """Whether an unfinished character can become a lawful one: no handle or open term has such characters."""
    if state.handle or (state.digits and not may_end(state)):
        return False
    return any(_lawful(candidate, state) for candidate in _completions(rest))


def _completions(rest: bytes) -> Sequence[str]:
    """A few characters that begin with these bytes; enough to know that not all of them are numerals."""
    missing = {0xC: 2, 0xD: 2, 0xE: 3, 0xF: 4}[rest[0] >> 4] - len(rest)
    found: list[str] = []
    for last in (0x80, 0x84, 0x9C, 0xA0, 0xAC, 0xB3, 0xBC, 0xBF, 0x90):
        try:
            found.append((rest + bytes([last]) * missing).decode())
        except UnicodeDecodeError:
            continue
    return found


def _lawful(char: str, state: State) -> bool:
    return advance(state, char, _NO_HANDLES) is not None
