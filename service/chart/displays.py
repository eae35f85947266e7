"""How a canonical value is written in a letter, in German and in English."""

from collections.abc import Mapping
from decimal import Decimal

from service.model import Display
from service.radiotherapy import plain

_MONTHS_DE = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
]
_MONTHS_EN = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]

_WORDS: Mapping[str, tuple[str, str]] = {
    "female": ("weiblich", "female"),
    "male": ("männlich", "male"),
    "other": ("divers", "other"),
    "left": ("links", "left"),
    "right": ("rechts", "right"),
    "bilateral": ("beidseits", "bilateral"),
    "curative": ("kurativ", "curative"),
    "palliative": ("palliativ", "palliative"),
    "adjuvant": ("adjuvant", "adjuvant"),
    "neoadjuvant": ("neoadjuvant", "neoadjuvant"),
    "definitive": ("definitiv", "definitive"),
    "supportive": ("supportiv", "supportive"),
    "prophylactic": ("prophylaktisch", "prophylactic"),
    "consolidation": ("konsolidierend", "consolidative"),
    "salvage": ("Salvage", "salvage"),
    "completed": ("abgeschlossen", "completed"),
    "stopped": ("vorzeitig beendet", "stopped early"),
    "in-progress": ("laufend", "in progress"),
    "on-hold": ("unterbrochen", "on hold"),
    "preparation": ("in Vorbereitung", "in preparation"),
    "planned": ("geplant", "planned"),
}

# UCUM codes whose written form differs: (de, en)
_UNITS: Mapping[str, tuple[str, str]] = {
    "mg/m2": ("mg/m²", "mg/m²"),
    "g/m2": ("g/m²", "g/m²"),
    "ug": ("µg", "µg"),
    "mcg": ("µg", "µg"),
    "ug/kg": ("µg/kg", "µg/kg"),
    "ug/h": ("µg/h", "µg/h"),
    "ug/L": ("µg/l", "µg/l"),
    "ng/mL": ("ng/ml", "ng/ml"),
    "pg/mL": ("pg/ml", "pg/ml"),
    "ug/mL": ("µg/ml", "µg/ml"),
    "mg/L": ("mg/l", "mg/l"),
    "g/L": ("g/l", "g/l"),
    "g/dL": ("g/dl", "g/dl"),
    "mg/dL": ("mg/dl", "mg/dl"),
    "mmol/L": ("mmol/l", "mmol/l"),
    "umol/L": ("µmol/l", "µmol/l"),
    "nmol/L": ("nmol/l", "nmol/l"),
    "U/L": ("U/l", "U/l"),
    "[IU]/L": ("IE/l", "IU/l"),
    "[iU]/L": ("IE/l", "IU/l"),
    "[iU]": ("IE", "IU"),
    "[IU]": ("IE", "IU"),
    "mU/L": ("mU/l", "mU/l"),
    "m[IU]/L": ("mIE/l", "mIU/l"),
    "k[IU]/L": ("kIE/l", "kIU/l"),
    "mL": ("ml", "ml"),
    "mL/min": ("ml/min", "ml/min"),
    "mL/min/{1.73_m2}": ("ml/min/1,73 m²", "ml/min/1.73 m²"),
    "10*9/L": ("10⁹/l", "10⁹/l"),
    "10*12/L": ("10¹²/l", "10¹²/l"),
    "10*3/uL": ("10³/µl", "10³/µl"),
    "/uL": ("/µl", "/µl"),
    "mm[Hg]": ("mmHg", "mmHg"),
    "{tbl}": ("Tabl.", "tablets"),
    "{tablet}": ("Tabl.", "tablets"),
    "TAB": ("Tabl.", "tablets"),
    "[drp]": ("Tropfen", "drops"),
    "{puff}": ("Hub", "puffs"),
    "Cel": ("°C", "°C"),
}

_WRITTEN: Mapping[str, str] = {
    **{written.casefold(): code for code, both in reversed(list(_UNITS.items())) for written in both},
    "gpt/l": "10*9/L",
    "10^9/l": "10*9/L",
    "/nl": "10*9/L",
    "tpt/l": "10*12/L",
    "10^12/l": "10*12/L",
    "/pl": "10*12/L",
    "u/ml": "U/mL",
}


def same_in_both(text: str) -> Display:
    return Display(de=text, en=text)


def word(value: str) -> Display | None:
    """The words for a canonical sex, side, intent or status; None for one that is not listed."""
    found = _WORDS.get(value)
    return Display(de=found[0], en=found[1]) if found else None


def salutation(sex: str) -> Display | None:
    return {"female": Display(de="Frau", en="Ms"), "male": Display(de="Herr", en="Mr")}.get(sex)


def date(iso: str) -> Display:
    """``02.02.2026`` and ``2 February 2026``; ``Februar 2026``; ``2026``."""
    parts = iso.split("-")
    if len(parts) == 1:
        return same_in_both(iso)
    month = int(parts[1]) - 1
    if len(parts) == 2:
        return Display(de=f"{_MONTHS_DE[month]} {parts[0]}", en=f"{_MONTHS_EN[month]} {parts[0]}")
    return Display(de=f"{parts[2]}.{parts[1]}.{parts[0]}", en=f"{int(parts[2])} {_MONTHS_EN[month]} {parts[0]}")


def time(clock: str) -> Display:
    return Display(de=f"{clock} Uhr", en=clock)


def dose(gray: Decimal) -> Display:
    return quantity(plain(gray), "Gy")


def percent(number: str) -> Display:
    return Display(de=f"{comma(number)} %", en=f"{number}%")


def quantity(number: str, unit: str) -> Display:
    """A figure with its unit; ``unit`` is UCUM or the source's own word, or empty."""
    if unit == "%":
        return percent(number)
    de, en = written_unit(unit)
    return Display(de=f"{comma(number)} {de}".strip(), en=f"{number} {en}".strip())


def written_unit(unit: str) -> tuple[str, str]:
    return _UNITS.get(unit, (unit, unit))


def ucum_of(unit: str) -> str:
    """The UCUM code of a unit as laboratories print it (``g/dl``, ``Gpt/l``); the word itself where none is known."""
    return _WRITTEN.get(unit.casefold(), unit)


def comma(number: str) -> str:
    """German decimal comma."""
    return number.replace(".", ",")
