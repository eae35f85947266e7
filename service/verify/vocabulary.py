"""What words mean the same: concepts in German and English, shipped as YAML."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import yaml

from service.verify.page import Page, Word, fold, words_of


@cache
def shipped(name: str) -> Mapping[str, Any]:
    """One of this package's YAML files, read once."""
    loaded: Mapping[str, Any] = yaml.safe_load(files("service.verify").joinpath(name).read_text(encoding="utf-8"))
    return loaded


@cache
def _stems() -> tuple[Mapping[str, Sequence[tuple[str, str]]], Sequence[tuple[str, str]], Sequence[tuple[str, str]]]:
    """Stems by their first two letters, stems of any place, phrases; each with its concept."""
    prefix: dict[str, list[tuple[str, str]]] = {}
    anywhere: list[tuple[str, str]] = []
    phrases: list[tuple[str, str]] = []
    for concept, stems in shipped("concepts.yaml")["concepts"].items():
        for stem in stems:
            if stem.startswith("~"):
                anywhere.append((stem[1:], concept))
            elif " " in stem or "-" in stem:
                phrases.append((stem.replace("-", " "), concept))
            else:
                prefix.setdefault(stem[:2], []).append((stem, concept))
    return prefix, anywhere, phrases


@cache
def generic_words() -> frozenset[str]:
    return frozenset(shipped("concepts.yaml")["generic"].split())


@lru_cache(maxsize=20_000)
def concepts_of(word: str) -> frozenset[str]:
    """The concepts of one word (``norm`` form). A stem of up to three letters must be the whole word."""
    prefix, anywhere, _ = _stems()
    found = {
        concept
        for stem, concept in prefix.get(word[:2], ())
        if word == stem or (len(stem) > 3 and word.startswith(stem))
    }
    if len(word) > 6:
        found |= {concept for stem, concept in anywhere if stem in word}
    return frozenset(found)


def phrases_in(words: Sequence[Word]) -> Iterable[tuple[Word, str]]:
    """Concepts of two words and more (``chest wall``), at the first of them."""
    _, _, phrases = _stems()
    text = " " + " ".join(word.norm for word in words) + " "
    starts: dict[int, Word] = {}
    position = 1
    for word in words:
        starts[position] = word
        position += len(word.norm) + 1
    for phrase, concept in phrases:
        at = text.find(" " + phrase)
        while at >= 0:
            yield starts[at + 1], concept
            at = text.find(" " + phrase, at + 1)


def keys_of(name: str) -> frozenset[str]:
    """What tells a name from others: its concepts, and the stems (``=lymph…``) of words without one."""
    words = words_of(fold(name))
    found = {concept for _, concept in phrases_in(words)}
    for word in words:
        if word.norm in generic_words():
            continue
        concepts = concepts_of(word.norm)
        found |= concepts
        if not concepts and len(word.norm) >= 3 and not word.norm.isdigit():
            found.add("=" + stem(word.norm))
    return frozenset(found)


def stem(word: str) -> str:
    """A word without what inflexion may change."""
    return word if len(word) <= 5 else word[: max(5, len(word) - 3)]


class Index:
    """Where a page names which keys."""

    def __init__(self, page: Page, stems: Iterable[str]) -> None:
        wanted = sorted({key[1:] for key in stems if key.startswith("=")})
        heads = tuple(wanted)
        self._at: dict[int, set[str]] = {}
        for word in page.words:
            keys = set(concepts_of(word.norm))
            if heads and word.norm.startswith(heads):
                keys |= {"=" + head for head in heads if word.norm.startswith(head) and _close(head, word.norm)}
            if keys:
                self._at[word.start] = keys
        for word, concept in phrases_in(page.words):
            self._at.setdefault(word.start, set()).add(concept)
        self._page = page

    def keys_in(self, start: int, end: int) -> frozenset[str]:
        """All keys that words beginning in the range name."""
        found: set[str] = set()
        for word in self._page.words_in(start, end):
            found |= self._at.get(word.start, set())
        return frozenset(found)

    def places(self, keys: frozenset[str]) -> list[int]:
        """Starts of the words that name one of the keys."""
        return [start for start, named in self._at.items() if named & keys]


def _close(head: str, word: str) -> bool:
    """Short stems stand for whole words (``arm`` is no ``Armut``); long ones for compounds too."""
    return len(head) > 4 or len(word) <= len(head) + 2
