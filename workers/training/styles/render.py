"""A phrase book and a chart to prose with handles.

Tests that a template may ask (``{?…}``):

- ``female``, ``male``: the patient's sex;
- ``planned``, ``running``, ``stopped``, ``completed``: the status of the course at hand;
- ``one:leaf``: the value is 1, for the singular; ``has:leaf``: the handle exists (without stating it);
- ``any:group``, ``several:group``: how many items there are; ``first``: the first of several.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from workers.training.styles.template import Check, Choice, Each, Join, Node, Phrase, Reference, Template
from workers.training.styles.view import GROUPS, View

_STATUSES = ("planned", "running", "stopped", "completed")


@dataclass(frozen=True, kw_only=True)
class PhraseBook:
    """One style in one language.

    ``phrases``: by name their variants; ``letter``: the blocks from greeting to closing, each left
    out where it fails; ``last``: the joint before the last of a list within a sentence.
    """

    phrases: Mapping[str, tuple[Template, ...]]
    letter: tuple[Template, ...]
    last: str


@dataclass(frozen=True, kw_only=True)
class _Place:
    """The item at hand: its handle's stem (empty at the top), and whether it is the first of its kind."""

    stem: str = ""
    first: bool = True


@dataclass(frozen=True, kw_only=True)
class _Writing:
    book: PhraseBook
    view: View
    rng: Random
    chosen: dict[str, Template] = field(default_factory=dict)

    def template(self, template: Template, place: _Place) -> str | None:
        written = []
        for node in template:
            text = self._node(node, place)
            if text is None:
                return None
            written.append(text)
        return "".join(written)

    def _node(self, node: Node, place: _Place) -> str | None:
        match node:
            case str():
                return node
            case Reference():
                handle = _handle(node.path, place)
                form = f":{node.form}" if node.form else ""
                return f"[[{handle}{form}]]" if self.view.has(handle) else None
            case Phrase():
                return self.template(self._variant(node.name), place)
            case Each():
                return self._each(node, place)
            case Check():
                return "" if self._holds(node, place) is node.expected else None
            case Choice():
                every = (self.template(each, place) for each in node.alternatives)
                return next((text for text in every if text is not None), "")
            case Join():
                parts = [text for each in node.parts if (text := self.template(each, place))]
                return _joined(parts, node.joint, node.last) if parts else None

    def _variant(self, name: str) -> Template:
        # One choice a letter: the items of a list are told alike.
        if name not in self.chosen:
            self.chosen[name] = self.rng.choice(self.book.phrases[name])
        return self.chosen[name]

    def _each(self, node: Each, place: _Place) -> str | None:
        template = self._variant(node.phrase)
        stems = self.view.items(node.group, place.stem)
        told = (self.template(template, _Place(stem=stem, first=stem == stems[0])) for stem in stems)
        items = [text for text in told if text]
        if not items:
            return None
        match node.manner:
            case "*":
                return _joined(items, ", ", self.book.last)
            case ",":
                return ", ".join(items)
            case "-":
                return "\n".join(f"- {item}" for item in items)
            case "/":
                return "\n".join(items)
            case "+":
                return " ".join(items)

    def _holds(self, test: Check, place: _Place) -> bool:
        match test.name:
            case "female" | "male":
                return self.view.sex() == test.name
            case "first":
                return place.first
            case "has":
                return self.view.has(_handle(test.argument, place))
            case "one":
                return self.view.value(_handle(test.argument, place)) == "1"
            case "any":
                return bool(self.view.items(test.argument, place.stem))
            case "several":
                return len(self.view.items(test.argument, place.stem)) > 1
            case name if name in _STATUSES:
                return self.view.status(place.stem) == name
            case _:
                raise ValueError(f"a style asks an unknown test {test.name!r}")


def write_letter(book: PhraseBook, view: View, rng: Random) -> str:
    """Blocks that hold, separated by one blank line."""
    writing = _Writing(book=book, view=view, rng=rng)
    blocks = (writing.template(block, _Place()) for block in book.letter)
    return "\n\n".join(text for text in blocks if text)


def _handle(path: str, place: _Place) -> str:
    if not place.stem or path.split(".", maxsplit=1)[0] in GROUPS:
        return path
    return f"{place.stem}.{path}" if path else place.stem


def _joined(parts: list[str], joint: str, last: str) -> str:
    if len(parts) == 1:
        return parts[0]
    return joint.join(parts[:-1]) + last + parts[-1]
