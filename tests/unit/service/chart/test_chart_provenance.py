"""Every source of a chart leads back to the raw value; read here without a line of the code that made it."""

import re
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

import pytest

from adapters.hl7.message import read_message
from service.chart import build_chart, resources_of
from service.model import Chart, Fact, FactType, Lang
from workers.training.synthetic import SyntheticCase, generate_case

SEEDS = range(12)
STEP = re.compile(r"(?P<name>\w+)(?:\('(?P<url>[^']*)'\))?(?:\[(?P<index>\d+)\])?(?:\.|$)")
HL7_PLACE = re.compile(
    r"(?P<control>[^#]+)#(?P<segment>[A-Z][A-Z0-9]{2})\[(?P<number>\d+)\]-(?P<field>\d+)\[(?P<row>\d+)\](?:\.(?P<part>\d+))?"
)
LITERAL = frozenset({FactType.NAME, FactType.IDENTIFIER, FactType.DRUG, FactType.TERM, FactType.TEXT})


@cache
def case(seed: int, lang: Lang) -> SyntheticCase:
    return generate_case(seed, lang=lang)


def at_path(resource: dict[str, Any], path: str) -> Any:
    """A little FHIRPath: names, ``[n]``, ``extension('url')``, and a choice element by its bare name."""
    node: Any = resource
    for step in STEP.finditer(path):
        if isinstance(node, list):
            node = node[0]
        if step["url"]:
            node = [each for each in node["extension"] if each["url"] == step["url"]]
            node = node[int(step["index"] or 0)]
            continue
        name = step["name"]
        if name not in node:
            (name,) = [key for key in node if re.fullmatch(f"{name}[A-Z]\\w*", key)]
        node = node[name]
        if step["index"]:
            node = node[int(step["index"])]
    return node


def in_fhir(bundle: dict[str, Any], source: str) -> Any:
    home, _, path = source.partition("#")
    kind, identity = home.split("/")
    (found,) = [
        each["resource"]
        for each in bundle["entry"]
        if (each["resource"]["resourceType"], each["resource"]["id"]) == (kind, identity)
    ]
    return at_path(found, path)


def in_hl7(messages: list[bytes], source: str) -> str:
    place = HL7_PLACE.fullmatch(source)
    assert place, source
    (text,) = [body.decode() for body in messages if body.decode().split("|")[9] == place["control"]]
    rows = [line for line in text.split("\r") if line.startswith(place["segment"] + "|")]
    field = rows[int(place["number"]) - 1].split("|")[int(place["field"])]
    repetition = field.split("~")[int(place["row"]) - 1]
    return repetition.split("^")[int(place["part"] or 1) - 1]


def said(raw: Any) -> list[str]:
    """All words and figures below a node."""
    if isinstance(raw, dict):
        return [word for value in raw.values() for word in said(value)]
    if isinstance(raw, list):
        return [word for value in raw for word in said(value)]
    return [str(raw)]


def number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def agrees(fact: Fact, words: list[str]) -> bool:
    """Whether the raw words hold the fact: literally, as a date, or as a figure in Gy or cGy."""
    figures = [found for word in words if (found := number(word)) is not None]
    if fact.type is FactType.DATE:
        return any(word.replace("-", "").startswith(fact.value.replace("-", "")) for word in words)
    if fact.type in (FactType.DOSE, FactType.DOSE_PER_FRACTION):
        gray = Decimal(fact.value)
        return gray in figures or gray * 100 in figures or len(figures) > 1
    if fact.type in LITERAL:
        value = fact.value.casefold()
        whole = " ".join(words).casefold()
        return value in whole or any(word.casefold() in value for word in words) or fact.code in words
    return True


def check(chart: Chart, raw_of: Any) -> int:
    sources = 0
    for fact in chart.facts:
        words = []
        for source in fact.source.split(" + "):
            raw = raw_of(source)
            assert said(raw) and all(said(raw)), f"{fact.handle}: {source} leads nowhere"
            words += said(raw)
            sources += 1
        assert agrees(fact, words), f"{fact.handle}: {fact.value} is not what stands at {fact.source}"
    return sources


@pytest.mark.parametrize("lang", ["de", "en"])
def test_every_source_in_fhir_leads_to_the_value(lang: Lang) -> None:
    for seed in SEEDS:
        bundle = case(seed, lang).bundle
        chart = build_chart([], resources_of(bundle))

        assert check(chart, lambda source, bundle=bundle: in_fhir(bundle, source)) > 40


@pytest.mark.parametrize("lang", ["de", "en"])
def test_every_source_in_hl7_leads_to_the_value(lang: Lang) -> None:
    for seed in SEEDS:
        messages = list(case(seed, lang).messages)
        chart = build_chart([read_message(body) for body in messages], [])

        assert check(chart, lambda source, messages=messages: in_hl7(messages, source)) > 20


def test_the_check_finds_a_source_that_leads_elsewhere() -> None:
    bundle = case(0, "de").bundle
    chart = build_chart([], resources_of(bundle))
    name = chart.get("patient.family")
    birth = chart.get("patient.birth_date")
    assert name and birth

    assert not agrees(birth, said(in_fhir(bundle, name.source)))
    with pytest.raises((KeyError, IndexError, ValueError)):
        in_fhir(bundle, name.source + "[7].nowhere")
