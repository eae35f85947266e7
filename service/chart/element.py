"""Reading one FHIR resource as it came: every element knows its FHIRPath, and no wrong type raises.

What is of another JSON type than FHIR R4 demands counts as absent and is noted by its place, never
by its content.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

from service.chart.dates import Moment, read_fhir
from service.chart.text import clean
from service.ports import Resource

T = TypeVar("T")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, kw_only=True)
class Leaf(Generic[T]):
    """A primitive and its source."""

    value: T
    source: str


@dataclass(frozen=True, kw_only=True)
class Coding:
    """One ``Coding``; absent parts are empty."""

    system: str
    code: str
    display: str
    source: str
    code_source: str
    display_source: str
    element: "Element"


@dataclass(frozen=True, kw_only=True)
class Concept:
    """A ``CodeableConcept``."""

    text: Leaf[str] | None
    codings: Sequence[Coding]
    source: str

    def codes(self, system: str = "") -> set[str]:
        """Its codes, of one system or of all."""
        return {each.code for each in self.codings if each.code and (not system or each.system == system)}

    def words(self) -> str:
        """All its words, for looking something up in them."""
        return " ".join([self.text.value if self.text else "", *(each.display for each in self.codings)]).strip()


@dataclass(frozen=True, kw_only=True)
class Element:
    """A JSON object inside a resource.

    Attributes:
        home: ``Type/id`` of the resource.
        path: FHIRPath from the resource to here, empty for the resource itself.
        notes: where wrong types are noted.
    """

    json: dict[str, Any]
    home: str
    path: str
    notes: list[str]

    @property
    def source(self) -> str:
        return f"{self.home}#{self.path}" if self.path else self.home

    def text(self, name: str, *, at: str | None = None) -> Leaf[str] | None:
        """A string, cleaned; ``at`` is the element's name in FHIRPath where it is a choice (``onset``)."""
        value = self.json.get(name)
        if value is None:
            if name in self.json:
                self._absent(name, at, "a string")
            return None
        if not isinstance(value, str):
            self._absent(name, at, "a string")
            return None
        cleaned = clean(value)
        return Leaf(value=cleaned, source=self._source(name, at)) if cleaned else None

    def word(self, name: str) -> str:
        """A string's value, empty where there is none."""
        found = self.text(name)
        return found.value if found else ""

    def texts(self, name: str) -> list[Leaf[str]]:
        """A list of strings."""
        found = []
        for index, value in self._list(name):
            cleaned = clean(value) if isinstance(value, str) else ""
            if cleaned:
                found.append(Leaf(value=cleaned, source=f"{self._source(name)}[{index}]"))
            elif value is not None:
                self._absent(f"{name}[{index}]", None, "a string")
        return found

    def number(self, name: str, *, at: str | None = None) -> Leaf[Decimal] | None:
        """A finite number."""
        value = self.json.get(name)
        if value is None:
            if name in self.json:
                self._absent(name, at, "a number")
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            self._absent(name, at, "a number")
            return None
        if isinstance(value, int) and abs(value) >= 10**15:
            self._absent(name, at, "a number of this size")
            return None
        number = Decimal(str(value))
        if not number.is_finite() or abs(number) >= 10**15:
            self._absent(name, at, "a finite number")
            return None
        return Leaf(value=number, source=self._source(name, at))

    def flag(self, name: str) -> bool:
        value = self.json.get(name)
        if value is not None and not isinstance(value, bool):
            self._absent(name, None, "true or false")
        return value is True

    def child(self, name: str, *, at: str | None = None) -> "Element | None":
        """An object."""
        value = self.json.get(name)
        if isinstance(value, dict):
            return self._element(value, self._path(name, at))
        if name in self.json:
            self._absent(name, at, "an object")
        return None

    def children(self, name: str) -> list["Element"]:
        """A list of objects; ``name`` is an element that repeats."""
        found = []
        for index, value in self._list(name):
            if isinstance(value, dict):
                found.append(self._element(value, f"{self._path(name)}[{index}]"))
            else:
                self._absent(f"{name}[{index}]", None, "an object")
        return found

    def extensions(self, url: str) -> list["Element"]:
        """The extensions with this url, as ``extension('url')``, numbered where there are several."""
        matching = [
            value for _, value in self._list("extension") if isinstance(value, dict) and value.get("url") == url
        ]
        path = self._path(f"extension('{url}')")
        many = len(matching) > 1
        return [self._element(value, f"{path}[{index}]" if many else path) for index, value in enumerate(matching)]

    def extension(self, *urls: str) -> "Element | None":
        """The first extension with one of these urls."""
        return next((each for url in urls for each in self.extensions(url)), None)

    def concept(self, name: str, *, at: str | None = None) -> Concept | None:
        found = self.child(name, at=at)
        return read_concept(found) if found else None

    def concepts(self, name: str) -> list[Concept]:
        return [read_concept(each) for each in self.children(name)]

    def moment(self, name: str, *, at: str | None = None) -> Leaf[Moment] | None:
        """A date, dateTime or instant."""
        found = self.text(name, at=at)
        if found is None:
            return None
        moment = read_fhir(found.value)
        if moment is None:
            self._absent(name, at, "a date")
            return None
        return Leaf(value=moment, source=found.source)

    def period(self, name: str) -> tuple[Leaf[Moment] | None, Leaf[Moment] | None]:
        """(start, end) of ``namePeriod``, or twice ``nameDateTime``."""
        period = self.child(f"{name}Period", at=name)
        if period:
            return period.moment("start"), period.moment("end")
        single = self.moment(f"{name}DateTime", at=name)
        return single, single

    def reference(self, name: str) -> str:
        """``Type/id`` of a Reference, empty where there is none."""
        found = self.child(name)
        return found.word("reference") if found else ""

    def note(self, what: str) -> None:
        self.notes.append(f"{self.source}: {what}")

    # ------------------------------------------------------------ inside

    def _list(self, name: str) -> Iterator[tuple[int, Any]]:
        value = self.json.get(name)
        if isinstance(value, list):
            yield from enumerate(value)
        elif name in self.json:
            self._absent(name, None, "a list")

    def _element(self, value: dict[str, Any], path: str) -> "Element":
        return Element(json=value, home=self.home, path=path, notes=self.notes)

    def _path(self, name: str, at: str | None = None) -> str:
        return f"{self.path}.{at or name}" if self.path else at or name

    def _source(self, name: str, at: str | None = None) -> str:
        return f"{self.home}#{self._path(name, at)}"

    def _absent(self, name: str, at: str | None, expected: str) -> None:
        self.notes.append(f"{self._source(name, at)}: expected {expected}, left out")


def read_resource(resource: Resource, notes: list[str]) -> Element:
    """The resource as an element; without a usable id it is called ``Type/-``."""
    kind, identifier = resource.get("resourceType"), resource.get("id")
    kind = kind if isinstance(kind, str) and kind.isalpha() else "Resource"
    fitting = isinstance(identifier, str) and _ID.fullmatch(identifier)
    return Element(json=resource, home=f"{kind}/{identifier if fitting else '-'}", path="", notes=notes)


def read_coding(element: Element) -> Coding:
    return Coding(
        system=element.word("system"),
        code=element.word("code"),
        display=element.word("display"),
        source=element.source,
        code_source=f"{element.source}.code",
        display_source=f"{element.source}.display",
        element=element,
    )


def read_concept(element: Element) -> Concept:
    codings = [read_coding(each) for each in element.children("coding")]
    return Concept(text=element.text("text"), codings=codings, source=element.source)
