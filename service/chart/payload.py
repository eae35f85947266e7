"""A chart as JSON: for the command line, and for the store."""

from collections.abc import Mapping
from typing import Any

from service.errors import UnusableInput
from service.model import Chart, ChartConflict, Display, Fact, FactType, Importance, Lang


def to_json(chart: Chart, lang: Lang) -> dict[str, Any]:
    """``{"facts": [{handle, type, value, unit, display, source, importance}], "conflicts", "warnings"}``."""
    return {
        "facts": [
            {
                "handle": fact.handle,
                "type": fact.type.value,
                "value": fact.value,
                "unit": fact.unit,
                "display": fact.display.in_(lang),
                "source": fact.source,
                "importance": fact.importance.value,
            }
            for fact in chart.facts
        ],
        "conflicts": [_conflict(each) for each in chart.conflicts],
        "warnings": list(chart.warnings),
    }


def chart_payload(chart: Chart) -> dict[str, Any]:
    """Everything, with both displays and the codes."""
    return {
        "facts": [
            {
                "handle": fact.handle,
                "type": fact.type.value,
                "value": fact.value,
                "display": {"de": fact.display.de, "en": fact.display.en},
                "source": fact.source,
                "unit": fact.unit,
                "importance": fact.importance.value,
                "code": fact.code,
                "system": fact.system,
            }
            for fact in chart.facts
        ],
        "conflicts": [_conflict(each) for each in chart.conflicts],
        "warnings": list(chart.warnings),
    }


def chart_from_payload(payload: Mapping[str, Any]) -> Chart:
    """The inverse of :func:`chart_payload`. Raises UnusableInput for anything else."""
    try:
        return Chart(
            facts=tuple(
                Fact(
                    handle=row["handle"],
                    type=FactType(row["type"]),
                    value=row["value"],
                    display=Display(de=row["display"]["de"], en=row["display"]["en"]),
                    source=row["source"],
                    unit=row["unit"],
                    importance=Importance(row["importance"]),
                    code=row["code"],
                    system=row["system"],
                )
                for row in payload["facts"]
            ),
            conflicts=tuple(
                ChartConflict(handle=row["handle"], values=tuple(row["values"]), sources=tuple(row["sources"]))
                for row in payload["conflicts"]
            ),
            warnings=tuple(payload["warnings"]),
        )
    except (KeyError, TypeError, ValueError):
        # the fault names a value of the chart: it must not be told
        raise UnusableInput("stored chart", remedy="Build the chart again from its messages.") from None


def _conflict(conflict: ChartConflict) -> dict[str, Any]:
    return {"handle": conflict.handle, "values": list(conflict.values), "sources": list(conflict.sources)}
