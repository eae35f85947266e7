"""Fixtures that integration tests share."""

from fhir_fixtures import load_chart, sandbox_ehr

__all__ = ["load_chart", "sandbox_ehr"]
