"""The chart as the checks look things up: facts by type, groups of facts that belong together, their names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from service.model import Chart, Fact, FactType
from service.verify.page import Page, Range
from service.verify.vocabulary import Index, keys_of

_GROUP = re.compile(r"((?:[a-z]+)(?:\.\d+)?(?:\.volume\.\d+)?)\.(.+)")
_NAMES: Mapping[str, tuple[str, ...]] = {
    "diagnosis": ("name", "site"),
    "comorbidity": ("name",),
    "course": ("site",),
    "volume": ("name",),
    "procedure": ("name",),
    "toxicity": ("term",),
    "allergy": ("name",),
    "appointment": ("place", "what"),
    "plan": ("what",),
}
_PLANNED = frozenset({"planned", "draft", "not-started", "preparation"})


@dataclass(frozen=True, kw_only=True)
class Group:
    """Facts that share a handle's stem: ``course.1``, ``course.1.volume.2``, ``systemic.1``."""

    stem: str
    kind: str
    leaves: Mapping[str, Fact] = field(hash=False)
    names: tuple[frozenset[str], ...]
    """The keys of each name, in each language."""

    @cached_property
    def keys(self) -> frozenset[str]:
        return frozenset[str]().union(*self.names)

    def __hash__(self) -> int:
        return hash(self.stem)

    @property
    def planned(self) -> bool:
        status = self.leaves.get("status")
        return status is not None and status.value in _PLANNED


class Book:
    """One chart, indexed once for all checks."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self.facts = {fact.handle: fact for fact in chart.facts}
        leaves: dict[str, dict[str, Fact]] = {}
        for fact in chart.facts:
            match = _GROUP.fullmatch(fact.handle)
            stem, leaf = (match[1], match[2]) if match else (fact.handle, "")
            leaves.setdefault(stem, {})[leaf] = fact
        self.groups: list[Group] = []
        for stem, facts in leaves.items():
            kind = "volume" if ".volume." in stem else stem.split(".")[0]
            names = [facts[leaf] for leaf in _NAMES.get(kind, ()) if leaf in facts]
            keys = tuple(k for n in names for k in (keys_of(n.display.de), keys_of(n.display.en)) if k)
            self.groups.append(Group(stem=stem, kind=kind, leaves=facts, names=keys))
        self._by_stem = {group.stem: group for group in self.groups}

    def of(self, kind: str) -> list[Group]:
        return [group for group in self.groups if group.kind == kind]

    def typed(self, *types: FactType) -> list[Fact]:
        return [fact for fact in self.chart.facts if fact.type in types]

    def group_of(self, fact: Fact) -> Group:
        match = _GROUP.fullmatch(fact.handle)
        return self._by_stem[match[1] if match else fact.handle]

    def leaves(self, kind: str, leaf: str) -> list[Fact]:
        return [group.leaves[leaf] for group in self.of(kind) if leaf in group.leaves]

    def is_planned(self, fact: Fact) -> bool:
        """Whether a fact of a course or volume was ordered but not delivered."""
        course = self._by_stem.get(".".join(fact.handle.split(".")[:2]))
        return course is not None and course.kind == "course" and course.planned

    @cached_property
    def prose(self) -> str:
        """Every display and value as one folded text: words and figures the chart holds somewhere."""
        parts = [f"{f.display.de} | {f.display.en} | {f.value}" for f in self.chart.facts]
        return " | ".join(parts).lower()

    def says(self, text: str) -> bool:
        """Whether the chart writes these words or figures somewhere."""
        return " ".join(text.lower().split()) in self.prose

    @cached_property
    def keys(self) -> frozenset[str]:
        """Concepts and stems of everything in the chart."""
        return frozenset[str]().union(*(keys_of(f"{f.display.de} {f.display.en}") for f in self.chart.facts))


class Names:
    """Which groups a stretch of a letter speaks of."""

    def __init__(self, page: Page, book: Book) -> None:
        self.book = book
        self.index = Index(page, book.keys)

    def named(self, kind: str, area: Range) -> list[Group]:
        """The groups of a kind that the range names best: with most words of theirs, then those named in full.

        More than one where the words do not tell them apart; none where nothing is named.
        """
        here = self.index.keys_in(area.start, area.end)
        counted = [(len(group.keys & here), group) for group in self.book.of(kind) if group.keys & here]
        most = max((count for count, _ in counted), default=0)
        best = [group for count, group in counted if count == most]
        return [group for group in best if any(name <= here for name in group.names)] or best

    def all_named(self, kind: str, area: Range) -> list[Group]:
        """Every group of a kind with a key of its own in the range."""
        here = self.index.keys_in(area.start, area.end)
        return [g for g in self.book.of(kind) if g.keys & here]
