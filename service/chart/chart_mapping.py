"""An institution's own codes: radiotherapy in OBX, local results, orders that are discharge medication.

A YAML file per institution (setting ``chart.obx_mapping``); ``obx_mapping.yaml`` beside this module is the
shipped example and stands where none is set. A file that is set replaces it whole.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from service.errors import WrongSetting
from service.model import ChartMapping

COURSE = ("intent", "technique", "start", "end", "site", "side", "fractions", "status")
VOLUME = ("name", "dose", "dose_per_fraction", "fractions")
_LEAVES = frozenset((*COURSE, *(f"volume.{each}" for each in VOLUME)))
_PLACE = re.compile(r"(?P<segment>[A-Z][A-Z0-9]{2})-(?P<field>[1-9]\d?)")
_REMEDY = "See service/chart/obx_mapping.yaml for the form."


@cache
def shipped_mapping() -> ChartMapping:
    return read_mapping(files("service.chart").joinpath("obx_mapping.yaml").read_text(encoding="utf-8"))


def open_mapping(path: Path | None) -> ChartMapping:
    """The mapping in a file; the shipped one for None.

    Raises:
        WrongSetting: the file cannot be read or is of another form; it names file and place.
    """
    if path is None:
        return shipped_mapping()
    try:
        return read_mapping(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise WrongSetting(
            f"chart.obx_mapping: {path}: {error.strerror}", remedy="Name a file that can be read."
        ) from None
    except UnicodeDecodeError:
        raise WrongSetting(f"chart.obx_mapping: {path} is not UTF-8", remedy="Save it as UTF-8.") from None
    except WrongSetting as error:
        raise WrongSetting(f"chart.obx_mapping: {path}: {error.detail}", remedy=error.remedy) from None


def read_mapping(text: str) -> ChartMapping:
    """Raises WrongSetting naming the place in the file."""
    try:
        rows = yaml.safe_load(text)
    except yaml.YAMLError:
        raise WrongSetting("no YAML", remedy=_REMEDY) from None
    if not isinstance(rows, dict):
        raise WrongSetting("no table", remedy=_REMEDY)
    unknown = sorted(str(each) for each in rows.keys() - {"system", "codes", "words", "results", "discharge"})
    if unknown:
        raise WrongSetting(f"{unknown[0]}: there is no such table", remedy=_REMEDY)
    leaves = _texts(rows, "codes")
    for code, leaf in leaves.items():
        if leaf not in _LEAVES:
            raise WrongSetting(f"codes.{code}: no leaf of a course", remedy=f"Use one of {', '.join(sorted(_LEAVES))}.")
    words = _table(rows, "words")
    return ChartMapping(
        system=str(rows.get("system", "")).strip().upper(),
        leaves={code.upper(): leaf for code, leaf in leaves.items()},
        words={
            leaf: {said.casefold(): canonical for said, canonical in _texts(words, leaf, "words.").items()}
            for leaf in words
        },
        results={code.upper(): loinc for code, loinc in _texts(rows, "results").items()},
        discharge=_discharge(_table(rows, "discharge")),
    )


def _table(rows: Mapping[str, Any], name: str, within: str = "") -> dict[str, Any]:
    found = rows.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise WrongSetting(f"{within}{name}: no table", remedy=_REMEDY)
    return {str(key).strip(): value for key, value in found.items()}


def _texts(rows: Mapping[str, Any], name: str, within: str = "") -> dict[str, str]:
    found = _table(rows, name, within)
    for key, value in found.items():
        if not isinstance(value, str | int):
            raise WrongSetting(f"{within}{name}.{key}: no word", remedy=_REMEDY)
    return {key: str(value).strip() for key, value in found.items()}


def _discharge(rows: Mapping[str, Any]) -> dict[tuple[str, int], frozenset[str]]:
    found = {}
    for name, codes in rows.items():
        place = _PLACE.fullmatch(name)
        if place is None or not isinstance(codes, list):
            raise WrongSetting(f"discharge.{name}: no field with a list of codes", remedy="Write it as ORC-29: [O].")
        found[place["segment"], int(place["field"])] = frozenset(str(each).strip().upper() for each in codes)
    return found
