"""The chart: messages and resources of one visit to ordered facts with sources (DESIGN sections 1 and 5)."""

from service.chart.build import build_chart
from service.chart.bundle import resources_of
from service.chart.payload import chart_from_payload, chart_payload, to_json

__all__ = ["build_chart", "chart_from_payload", "chart_payload", "resources_of", "to_json"]
