"""The chart: messages and resources of one visit to ordered facts with sources (DESIGN sections 1 and 5)."""

from service.chart.build import build_chart
from service.chart.bundle import resources_of
from service.chart.chart_mapping import open_mapping, read_mapping, shipped_mapping
from service.chart.hl7_radiotherapy import course_status
from service.chart.payload import chart_from_payload, chart_payload, to_json
from service.model import ChartMapping

__all__ = [
    "ChartMapping",
    "build_chart",
    "chart_from_payload",
    "chart_payload",
    "course_status",
    "open_mapping",
    "read_mapping",
    "resources_of",
    "shipped_mapping",
    "to_json",
]
