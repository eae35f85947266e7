"""TNM categories and stage groups as sources write them, to one spelling (UICC, TNM 8th edition)."""

import re

_CATEGORY = re.compile(
    r"(?<![A-Za-z])(?P<prefix>[ymra]{0,2}[cp]?)(?P<axis>[TNM])[\s:]?(?P<rest>(?:[0-4][a-d]?[1-3]?|X|x|is|IS|a|mi)"
    r"(?:mi|[a-d])?(?:\([a-zA-Z0-9+\-]{1,5}\))*[+-]?)(?![A-Za-z0-9])"
)
_BARE = re.compile(r"(?:[0-4][a-d]?[1-3]?(?:mi)?|X|x|is)(?:\([a-zA-Z0-9+\-]{1,5}\))*")
_STAGE = re.compile(
    r"(?<![A-Za-z0-9])(?P<roman>IV|I{1,3}|0)(?P<letter>[A-Da-d]?)(?P<sub>[1-3]?)(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])(?P<digit>[1-4])(?P<letter2>[A-Da-d]?)(?P<sub2>[1-3]?)(?![A-Za-z0-9])"
)


def category(text: str, axis: str, prefix: str) -> str | None:
    """``cT2`` from ``T2``, ``cT2``, ``2`` or ``American Joint Committee on Cancer cT2``.

    Args:
        axis: ``t``, ``n`` or ``m``; another axis in the text is none.
        prefix: ``c`` or ``p``, taken where the text gives none.
    """
    for found in _CATEGORY.finditer(text):
        if found["axis"].lower() == axis:
            own = found["prefix"]
            lead = own if own and own[-1] in "cp" else own + prefix
            return f"{lead}{found['axis']}{_spelled(found['rest'])}"
    bare = _BARE.fullmatch(text.strip())
    return f"{prefix}{axis.upper()}{_spelled(text.strip())}" if bare else None


def all_categories(text: str) -> dict[str, str]:
    """Every category that carries its letter, by axis, of a line such as ``pT1c pN0 (0/2) cM0``; the prefix as
    written, the T's for a following category that has none."""
    found: dict[str, str] = {}
    lead = ""
    for match in _CATEGORY.finditer(text):
        own = match["prefix"]
        lead = own or lead
        found.setdefault(match["axis"].lower(), f"{own or lead}{match['axis']}{_spelled(match['rest'])}")
    return found


def _spelled(rest: str) -> str:
    return {"x": "X", "IS": "is"}.get(rest, rest)


def stage_group(text: str) -> str | None:
    """``IIA`` from ``Stage IIA``, ``UICC IIA``, ``2A``, ``American Joint Committee on Cancer stage IIA``."""
    found = None
    for found in _STAGE.finditer(text):
        if found["roman"]:
            return found["roman"] + found["letter"].upper() + found["sub"]
    if found and found["digit"]:
        return ["I", "II", "III", "IV"][int(found["digit"]) - 1] + found["letter2"].upper() + found["sub2"]
    return None


def grading(text: str) -> str | None:
    """``G2`` from ``G2``, ``Grade 2``, ``GX``."""
    found = re.search(r"(?<![A-Za-z0-9])G(?:rad(?:e|ing)?)?\s*:?\s*([1-4X])(?![0-9])", text, re.IGNORECASE)
    if found is None:
        found = re.fullmatch(r"\s*([1-4])\s*", text)
    return f"G{found.group(1).upper()}" if found else None
