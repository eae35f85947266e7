"""What an institution calls what a chart tells."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ChartMapping:
    """Keys in the case in which they are compared.

    Attributes:
        system: name of the local coding system in OBX-3.3 or OBX-3.6, upper case.
        leaves: OBX-3.1 in upper case to the leaf of a course (``start``) or of a volume (``volume.dose``).
        words: leaf to the system's own words in small letters to canonical ones.
        results: OBX-3.1 in upper case to LOINC.
        discharge: (segment, field) to the codes, upper case, that make an order discharge medication.
    """

    system: str
    leaves: Mapping[str, str]
    words: Mapping[str, Mapping[str, str]]
    results: Mapping[str, str]
    discharge: Mapping[tuple[str, int], frozenset[str]]
