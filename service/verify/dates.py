"""Dates in both languages' written and numeric forms, to ISO 8601 with the precision they have.

Without a year (``vom 02.02. bis 13.03.2026``) the value reads ``--02-02``, as in ISO 8601:2000.
"""

import re
from collections.abc import Sequence

from service.verify.extract import Mention
from service.verify.page import Page

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "januar jänner january jan",
            "februar february feb feber",
            "märz maerz march mär mrz mar",
            "april apr",
            "mai may",
            "juni june jun",
            "juli july jul",
            "august aug",
            "september sept sep",
            "oktober october okt oct",
            "november nov",
            "dezember december dez dec",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = "(?:" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\b\.?"
_Y4 = r"(?:19|20)\d{2}"

# one pass, most precise first; folded text
_DATE = re.compile(
    rf"""
    (?<![\d.,/])(?:
      (?P<iso>(?P<iy>{_Y4})-(?P<im>\d\d)-(?P<id>\d\d))(?!\d)
    | (?P<num>(?P<nd>\d{{1,2}})\.\s?(?P<nm>\d{{1,2}})\.\s?(?P<ny>\d{{4}}|\d\d))(?![\d]|\.\d|,\d|\s?gy)
    | (?P<sla>(?P<s1>\d{{1,2}})/(?P<s2>\d{{1,2}})/(?P<sy>{_Y4}|\d\d))(?![\d/])
    | (?P<wrd>(?P<wd>\d{{1,2}})(?:\.|st|nd|rd|th)?\s*(?:of\s+)?(?P<wm>{_MONTH})(?:,?\s*(?P<wy>\d{{4}}))?)(?!\w)
    | (?P<day>(?P<dd>\d{{1,2}})\.\s?(?P<dm>\d{{1,2}})\.)(?!\d)
    | (?P<mnu>(?P<mm>\d{{1,2}})[/.](?P<my>{_Y4}))(?![\d/]|[.,]\d)
    | (?P<yr>{_Y4})(?![\d/]|[.,-]\d|\w)
    )
  | (?:(?<=\bed\s)|(?<=\bed:\s)|(?<=\bseit\s)|(?<=diagnose\s)|(?<=diagnose:\s))
    (?P<msh>(?P<hm>\d{{1,2}})/(?P<hy>\d\d))(?![\d/])
  | \b(?P<eng>(?P<em>{_MONTH})\s+(?P<ed>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(?P<ey>\d{{4}}))?)(?![\d])
  | \b(?P<mon>(?P<nom>{_MONTH})(?:\s+of)?\s+(?P<noy>\d{{4}}))(?!\d)
    """,
    re.VERBOSE,
)
_DAY_MONTH_CUE = re.compile(r"(?:\b(?:vom|am|bis|ab|den|dem|zum|zwischen|und|seit)|[–(-])\s*$")
_DAY_MONTH_AFTER = re.compile(r"\s*(?:bis\b|[–-]|und\s+(?:dem\s+)?\d)")
_YEAR_CUE = re.compile(r"(?:\b(?:in|im jahr|im jahre|jahr|seit|since|ed|anno|of|year|von|vor|before)|[(,])\s*$")
_EDITION = re.compile(r"uicc|tnm|leitlinie|guideline|ctcae|auflage|edition|version|who|nach\s+dgho|©|s3")
SHORT_MONTHS_AS_WORDS = frozenset({"may", "mar", "jan", "dec", "mai", "aug"})


def find_dates(page: Page) -> list[Mention]:
    """Every date of a letter. A day that the calendar lacks (31.02.) is a date still: somebody typed it."""
    found: list[Mention] = []
    for match in _DATE.finditer(page.folded):
        values = _values(match, page)
        if values:
            start, end = match.span()
            found.append(Mention(type="date", start=start, end=end, text=page.text[start:end], values=values))
    return found


def _values(match: "re.Match[str]", page: Page) -> tuple[str, ...]:
    folded = page.folded
    if match["iso"]:
        return _dates(_years(match["iy"]), [(match["im"], match["id"])])
    if match["num"]:
        return _dates(_years(match["ny"]), [(match["nm"], match["nd"])])
    if match["sla"]:
        first, second = match["s1"], match["s2"]
        orders = [(second, first), (first, second)] if page.lang == "de" else [(first, second), (second, first)]
        return _dates(_years(match["sy"]), orders)
    if match["wrd"]:
        return _named(match["wy"], match["wm"], match["wd"])
    if match["eng"]:
        return _named(match["ey"], match["em"], match["ed"])
    if match["mon"]:
        return (f"{match['noy']}-{_month(match['nom']):02}",)
    before = folded[max(0, match.start() - 12) : match.start()]
    if match["day"]:
        told = _DAY_MONTH_CUE.search(before) or _DAY_MONTH_AFTER.match(folded, match.end())
        return _dates([""], [(match["dm"], match["dd"])]) if told else ()
    if match["mnu"]:
        return (f"{match['my']}-{int(match['mm']):02}",)
    if match["msh"]:
        return (f"20{match['hy']}-{int(match['hm']):02}",)
    line = page.line_at(match.start())
    cited = _EDITION.search(folded[max(line.start, match.start() - 30) : match.end() + 12])
    return (match["yr"],) if _YEAR_CUE.search(before) and not cited else ()


def _named(year: str | None, month: str, day: str) -> tuple[str, ...]:
    """``12. März 2026``, ``12 March``; a lone short month without a year may be another word (``may``)."""
    if not year and month.rstrip(".") in SHORT_MONTHS_AS_WORDS and not month.endswith("."):
        return ()
    return _dates(_years(year) if year else [""], [(str(_month(month)), day)])


def _month(name: str) -> int:
    return _MONTHS[name.rstrip(".")]


def _years(year: str) -> list[str]:
    """Two figures may mean either century; which one, the chart knows."""
    return [year] if len(year) == 4 else [f"20{year}", f"19{year}"]


def _dates(years: Sequence[str], orders: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    readings = [
        f"{year or '-'}-{int(month):02}-{int(day):02}"
        for month, day in orders
        for year in years
        if 1 <= int(month) <= 12 and 1 <= int(day) <= 31
    ]
    if not readings and (year := years[0]) and len(year) == 4:
        readings = [f"{year}-{orders[0][0]}-{orders[0][1]}"]  # no such day: stated all the same, and never supported
    return tuple(dict.fromkeys(readings))


def same_date(values: Sequence[str], fact: str) -> bool:
    """Whether one reading states the fact's date, as precisely or less so (``2026-03`` states 2026-03-12)."""
    date = fact[:10]
    for value in values:
        if value.startswith("--"):
            if date[4:] == value[1:]:
                return True
        elif date == value or (len(value) < len(date) and date.startswith(value + "-")):
            return True
    return False
