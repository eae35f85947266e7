"""A scenario told in FHIR R4: one collection Bundle with stable ids and references that resolve."""

from workers.training.synthetic.fhir.bundle import build_bundle

__all__ = ["build_bundle"]
