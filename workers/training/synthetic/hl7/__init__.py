"""A scenario told in HL7 v2.5.1: admission, results, discharge."""

from workers.training.synthetic.hl7.messages import build_messages

__all__ = ["build_messages"]
