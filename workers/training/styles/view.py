"""The chart as a style sees it: which handles there are, and the few values that choose words."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from service.model import Chart

GROUPS = frozenset(
    {
        "patient",
        "visit",
        "diagnosis",
        "comorbidity",
        "course",
        "systemic",
        "procedure",
        "toxicity",
        "performance",
        "lab",
        "medication",
        "allergy",
        "appointment",
        "plan",
    }
)
"""First parts of handles; a reference that starts with one of them is not relative to an item."""

_STATUS: Mapping[str, str] = {
    "completed": "completed",
    "stopped": "stopped",
    "in-progress": "running",
    "on-hold": "running",
    "planned": "planned",
    "preparation": "planned",
}


@dataclass(frozen=True, kw_only=True)
class View:
    chart: Chart

    @cached_property
    def _values(self) -> dict[str, str]:
        return {fact.handle: fact.value for fact in self.chart.facts}

    def has(self, handle: str) -> bool:
        return handle in self._values

    def value(self, handle: str) -> str:
        """Canonical value, empty where the chart lacks the handle."""
        return self._values.get(handle, "")

    def items(self, group: str, scope: str) -> tuple[str, ...]:
        """``("course.1", "course.2")``; inside ``course.1`` its ``course.1.volume.N``. In order of N."""
        stem = f"{scope}.{group}." if scope and group not in GROUPS else f"{group}."
        numbers = {int(rest.split(".")[0]) for rest in self._rests(stem) if rest.split(".")[0].isdigit()}
        return tuple(f"{stem}{number}" for number in sorted(numbers))

    def _rests(self, stem: str) -> list[str]:
        return [handle[len(stem) :] for handle in self._values if handle.startswith(stem)]

    def sex(self) -> str:
        """``female``, ``male`` or empty, by the chart's sex or by whom the salutation was derived from."""
        told = self.value("patient.sex") or self.value("patient.salutation")
        return told if told in ("female", "male") else ""

    def status(self, course: str) -> str:
        """``planned``, ``running``, ``stopped``, ``completed``, or empty where the chart does not say."""
        return _STATUS.get(self.value(f"{course}.status"), "")
