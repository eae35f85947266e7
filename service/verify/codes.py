"""Coded values in prose: ICD-10, TNM, stage groups, grading, CTCAE grades, performance status, Gleason."""

import re
from collections.abc import Collection, Iterator

from service.verify.extract import Mention
from service.verify.page import Page

_ICD10 = re.compile(r"(?<![\w.-])(?P<c>[A-Z]\d\d(?:\.(?:\d{1,4}|-)[A-Z]{0,2})?)(?:[+*!†]|\s?[GVZA]\b)?(?![\w-]|\.\d)")
_ICD_CUE = re.compile(r"icd|diagnos|[(\[,:]\s*$|kod|code", re.IGNORECASE)
_NOT_ICD = re.compile(r"^(?:B12|F18|T1[0-2]|D10)$")

# TNM, UICC 8th edition: prefixes c p y r a u m; suffixes (m) (sn) (i-) mi is
_T = re.compile(r"(?<![\w-])(?P<p>[ypcrau]{0,3})(?P<l>[TNM])(?P<v>is|[0-4x][a-d]?[1-3]?(?:mi)?)(?![\w])", re.IGNORECASE)
_WEIGHTED = re.compile(
    r"[\s-]*(?:gewichtet|wichtung|weighted|w\b|flair|sequenz|sequence|signal|kontrast)", re.IGNORECASE
)
_TNM_CUE = re.compile(r"tnm|stadium|stage|uicc|tumou?r|karzinom|carcinoma")
_STAGE = re.compile(
    r"(?:\b(?:tumor|uicc|figo|klinisches |anatomical |anatomic |clinical |pathological )?-?(?:stadium|stage)(?:ngruppe|\s+group)?"
    r"(?:\s*(?:nach\s+)?\(?(?:uicc|figo|ajcc|ann arbor)(?:\s*\d{4})?\)?)?|\b(?:uicc|figo|ajcc)(?:[-\s]stadium|[-\s]stage)?|\bst\.(?=\s*i))"
    r"\s*[:=]?\s*(?P<v>(?:0|iv|i{1,3}|[1-4])(?:\s?[abc][1-3]?)?)(?![\w]|[.,]\d)"
)
_OTHER_STAGE = re.compile(
    r"gold|nyha|ckd|nieren|kidney|copd|herzinsuff|heart|pavk|dekubit|fontaine|hypert|dement|ulcus"
)
_GRADING = re.compile(r"(?<![\w-])G\s?(?P<v>[1-4])(?![\w-]|[.,]\d)")
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "erst": "1", "zweit": "2", "dritt": "3", "viert": "4"}
_G = r"(?:iv|i{1,3}|v|[0-5])"
_GRADE = re.compile(
    rf"(?:\b(?:grad|grade|grades|ctc(?:ae)?[-\s]?(?:v?\s?\d(?:\.\d)?[\s,:]*)?(?:grad|grade|°)?|gr\.)\s*"
    rf"(?P<v>{_G})(?:\s*(?:-|–|bis|to|/|und|or|oder)\s*(?P<w>{_G}))?(?:°)?(?![\w]|[.,]\d)|(?<!\w)(?P<o>{_G})°|°\s?(?P<q>{_G})(?!\w)|\b(?P<z>erst|zweit|dritt|viert)gradig\w*)"
)
_ECOG = re.compile(
    r"\b(?:ecog|who)(?:[-\s]*(?:ps|performance(?:[-\s]status)?|status|index|score|allgemeinzustand))*"
    r"\s*(?:\((?:ps|ecog|aktuell)\))?\s*(?:[:=]|von|of|bei|is|was|betrug|grad|grade)*\s*(?P<v>[0-5])(?![\w]|[.,]\d|\s*mg)"
)
_KARNOFSKY = re.compile(
    r"\b(?:karnofsky|kps|kpi)(?:[-\s]*(?:index|status|performance|score|ps))*\s*(?:[:=]|von|of|bei|is|was|betrug)*\s*"
    r"(?P<v>\d{1,3})(?![\d/])\s?%?"
)
_GLEASON = re.compile(r"gleason[^\d\n.]{0,24}(?P<v>[1-5]\s*\+\s*[1-5](?:\s*=\s*\d{1,2}[ab]?)?|\d{1,2}[ab]?\b)")


def find_icd10(page: Page, known: Collection[str] = ()) -> list[Mention]:
    """ICD-10(-GM, -CM) codes. A bare category (``C61``) counts beside a bracket or a word for it, or if it is ``known``."""
    found: list[Mention] = []
    for match in _ICD10.finditer(page.text):
        code = match["c"]
        beside = page.text[max(0, match.start() - 14) : match.start()]
        if "." not in code and code not in known and (_NOT_ICD.match(code) or not _ICD_CUE.search(beside)):
            continue
        end = match.end("c")
        value = code.removesuffix(".-").upper()
        found.append(
            Mention(type="icd10", start=match.start("c"), end=end, text=page.text[match.start() : end], values=(value,))
        )
    return found


def find_tnm(page: Page) -> list[Mention]:
    """Components of TNM; ``value`` is prefix + letter + category. In ``pT2 M0`` the M has no prefix of its own."""
    matches = list(_T.finditer(page.text))
    found: list[Mention] = []
    last = -99
    for index, match in enumerate(matches):
        start, end = match.span()
        prefix, letter = match["p"].lower(), match["l"].upper()
        near = start - last <= 12
        if match["l"].islower() or (prefix and match["p"] != prefix):
            continue
        following = index + 1 < len(matches) and matches[index + 1].start() - end <= 14
        cue = _TNM_CUE.search(page.folded[max(0, start - 30) : start])
        told = prefix or near or (letter == "T" and (following or cue))
        if not told or _WEIGHTED.match(page.text, end):
            continue
        last = end
        value = f"{prefix}{letter}{match['v'].lower().replace('x', 'X')}"
        found.append(
            Mention(type="tnm", start=start, end=end, text=page.text[start:end], values=(value,), label=letter)
        )
    return found


def find_stages(page: Page) -> list[Mention]:
    """UICC/FIGO stage groups as Roman figures (``Stadium IIA``); other diseases' stages are left alone."""
    found: list[Mention] = []
    for match in _STAGE.finditer(page.folded):
        if _OTHER_STAGE.search(page.part(page.clause_at(match.start("v")))):
            continue
        raw = match["v"].replace(" ", "")
        head = re.match(r"iv|i{1,3}|\d", raw)
        number = head[0] if head else raw
        roman = {"1": "I", "2": "II", "3": "III", "4": "IV"}.get(number, number.upper())
        value = roman + raw[len(number) :].upper()
        start, end = match.start("v"), match.end("v")
        found.append(Mention(type="stage", start=start, end=end, text=page.text[start:end], values=(value,)))
    return found


def find_grades(page: Page) -> list[Mention]:
    """Grading (label ``grading``), CTCAE and other grades (``grade``), ECOG, Karnofsky, Gleason."""
    found = [_one(page, m, "v", f"G{m['v']}", "grading") for m in _GRADING.finditer(page.text)]
    for match in _GRADE.finditer(page.folded):
        for group in ("v", "w", "o", "q", "z"):
            if match[group]:
                found.append(_one(page, match, group, _arabic(match[group]), "grade"))
    found += [_one(page, m, "v", m["v"], "ecog") for m in _ECOG.finditer(page.folded)]
    found += [_one(page, m, "v", m["v"], "karnofsky") for m in _KARNOFSKY.finditer(page.folded)]
    found += [
        _one(page, m, "v", re.sub(r"\s", "", m["v"]).split("=")[0], "gleason") for m in _GLEASON.finditer(page.folded)
    ]
    return sorted(_without_overlap(found), key=lambda mention: mention.start)


def _arabic(figure: str) -> str:
    return _ROMAN.get(figure, figure)


def _one(page: Page, match: "re.Match[str]", group: str, value: str, label: str) -> Mention:
    start, end = match.span(group)
    if label == "grading":
        start = match.start()
    return Mention(type="grade", start=start, end=end, text=page.text[start:end], values=(value,), label=label)


def _without_overlap(mentions: list[Mention]) -> Iterator[Mention]:
    """``Gleason Grade Group 2`` or ``WHO grade 2`` match two patterns; the later, more special one stays."""
    for index, mention in enumerate(mentions):
        if not any(o.start < mention.end and mention.start < o.end for o in mentions[index + 1 :]):
            yield mention
