"""The malignant diagnosis: where, what, how far, and its markers."""

from datetime import date
from decimal import Decimal
from random import Random
from typing import Any

from service.model import Lang
from workers.training.synthetic.scenario import Amount, Category, Marker, Side, Term, Tumour
from workers.training.synthetic.tables import chance, table, weighted

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ICD_O_3 = "http://terminology.hl7.org/CodeSystem/icd-o-3"
LOCAL_MARKER = "urn:epikrise:synthetic:marker"


def icd10_system(lang: Lang) -> str:
    return "http://fhir.de/CodeSystem/bfarm/icd-10-gm" if lang == "de" else "http://hl7.org/fhir/sid/icd-10-cm"


def with_side(text: str, side: Side | None, lang: Lang, target: str = "") -> str:
    """Fill ``{target}`` with the subsite's words, ``{side}`` with the side's, and ``{s}`` with the digit
    of laterality in ICD-10-CM (1 right, 2 left)."""
    word = table("words", lang)["side"][side] if side else ""
    filled = text.replace("{target}", target).replace("{side}", word)
    return filled.replace("{s}", "1" if side == "right" else "2").strip()


def rough_date(rng: Random, day: date, *, month: float = 0.15, year: float = 0.0) -> str:
    """``day``, sometimes only to the month or the year, as charts of elsewhere have it."""
    draw = rng.random()
    if draw < year:
        return f"{day:%Y}"
    return f"{day:%Y-%m}" if draw < year + month else day.isoformat()


def invent_tumour(
    rng: Random,
    lang: Lang,
    spec: dict[str, Any],
    subsite: dict[str, Any],
    *,
    side: Side | None,
    diagnosed: date,
    implied: dict[str, str] | None = None,
    primary: bool = True,
) -> Tumour:
    """A tumour of ``subsite``. ``spec`` holds histology, grading, markers, stages and ``pathological``;
    ``implied`` the words of markers that the therapy presupposes."""
    histology = weighted(rng, spec["histology"]) if spec.get("histology") and chance(rng, 0.92) else None
    return Tumour(
        name=Term(
            text=subsite.get("name", spec["name"]),
            code=with_side(subsite["icd10"], side, lang),
            system=icd10_system(lang),
            display=with_side(subsite["icd10_text"], side, lang),
        ),
        site=Term(text=subsite["site"], code=subsite.get("snomed"), system=SNOMED),
        side=side,
        histology=Term(text=histology["name"], code=histology["code"], system=ICD_O_3) if histology else None,
        date=rough_date(rng, diagnosed, year=0.03) if chance(rng, 0.93) else None,
        categories=_categories(rng, spec),
        grading=rng.choice(spec["grading"]) if spec.get("grading") and chance(rng, 0.85) else None,
        markers=_markers(rng, lang, spec, diagnosed, implied or {}),
        primary=primary,
    )


def _categories(rng: Random, spec: dict[str, Any]) -> tuple[Category, ...]:
    """TNM and stage that belong together; M is clinical also after surgery unless it is M1 (UICC)."""
    if not spec.get("stages") or chance(rng, 0.06):
        return ()
    t, n, m, stage = rng.choice(spec["stages"]).split()
    pathological = bool(spec.get("pathological"))
    prefix = "p" if pathological else "c"
    rows = [
        Category(axis="t", pathological=pathological, value=prefix + t),
        Category(axis="n", pathological=pathological, value=prefix + n),
        Category(axis="m", pathological=False, value="c" + m),
    ]
    if chance(rng, 0.85):
        rows.append(Category(axis="stage", pathological=pathological, value=stage))
    return tuple(rows)


def _markers(rng: Random, lang: Lang, spec: dict[str, Any], day: date, implied: dict[str, str]) -> tuple[Marker, ...]:
    chosen = [row for row in spec.get("markers", ()) if chance(rng, row["odds"])]
    told = [row | {"words": [implied[row["key"]]]} if row["key"] in implied else row for row in chosen]
    return tuple(_marker(rng, table("markers", lang)[row["key"]], row, day) for row in told)


def _marker(rng: Random, names: dict[str, Any], row: dict[str, Any], day: date) -> Marker:
    loinc = names.get("loinc")
    name = Term(text=names["name"], code=loinc or row["key"], system=LOINC if loinc else LOCAL_MARKER)
    if "words" in row:
        return Marker(name=name, word=str(rng.choice(row["words"])), amount=None, date=day.isoformat())
    low, high = row["range"]
    step = Decimal(str(row["step"]))
    value = Decimal(str(low)) + step * rng.randint(0, int((Decimal(str(high)) - low) / step))
    return Marker(
        name=name,
        word=None,
        amount=Amount(value=value, unit=names.get("unit", ""), ucum=names.get("ucum", names.get("unit"))),
        date=day.isoformat(),
    )
