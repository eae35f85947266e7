"""Fixtures that these tests share."""

from journey_fixtures import journey

__all__ = ["journey"]
