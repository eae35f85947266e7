"""The check of a letter against its chart: typed values, each in its role, each with its source."""

from service.verify.check import verify

__all__ = ["verify"]
