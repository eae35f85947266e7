"""The chart as the model reads it: no person in it, nothing that reads as a handle, the important first."""

import re
from dataclasses import replace

import pytest

from service.errors import WrongSetting
from service.model import IDENTIFYING, Chart, Display, Fact, FactType, Importance
from service.prompt import VALUE_LENGTH, build_prompt, version_digest

WHO = {
    "patient.name": (FactType.NAME, "Ilse Krämer-Vogt"),
    "patient.family": (FactType.NAME, "Krämer-Vogt"),
    "patient.given": (FactType.NAME, "Ilse"),
    "patient.birth_date": (FactType.DATE, "1951-04-09"),
    "patient.id": (FactType.IDENTIFIER, "PAT-778812"),
    "visit.number": (FactType.IDENTIFIER, "V2026-1177"),
    "visit.physician": (FactType.NAME, "Dr. med. Bernd Sommerfeld"),
}
SECRETS = ("Ilse", "Krämer", "Kraemer", "Vogt", "1951", "9.4.", "09.04.1951", "778812", "V2026", "Sommerfeld", "Bernd")


def fact(
    handle: str,
    shown: str,
    type_: FactType = FactType.TEXT,
    *,
    value: str = "",
    importance: Importance = Importance.NORMAL,
) -> Fact:
    return Fact(
        handle=handle,
        type=type_,
        value=value or shown,
        display=Display(de=shown, en=shown),
        source="x/1#y",
        importance=importance,
    )


def a_chart(*facts: Fact) -> Chart:
    persons = [fact(handle, value, type_) for handle, (type_, value) in WHO.items()]
    dated = [
        replace(each, display=Display(de="09.04.1951", en="9 April 1951"))
        if each.handle == "patient.birth_date"
        else each
        for each in persons
    ]
    return Chart(facts=(*dated, *facts))


def values(text: str) -> dict[str, str]:
    return dict(re.findall(r"^\[\[([a-z0-9_.]+)\]\](?: (.*))?$", text, re.MULTILINE))


def test_what_identifies_a_person_is_a_handle_without_a_value() -> None:
    prompt = build_prompt(a_chart(), "de")

    assert set(WHO) == IDENTIFYING
    assert {handle: values(prompt.text)[handle] for handle in WHO} == dict.fromkeys(WHO, "")
    assert not [secret for secret in SECRETS if secret in prompt.text]


@pytest.mark.parametrize(
    "text",
    [
        "Frau Krämer-Vogt kam in Begleitung",
        "ILSE wünscht keine Sonde",
        "geb. 09.04.1951, männl.",
        "geboren 1951-04-09",
        "Akte PAT-778812",
        "Fall V2026-1177 von Sommerfeld",
        "Ilse\nKrämer-Vogt",
        "Rücksprache mit Dr. med. Bernd Sommerfeld",
        "Frau KRAEMER-VOGT",
        "Frau Kraemer, geb. 9.4.1951",
        "Ilses Tochter, geb. 9.4.51",
        "born 4/9/1951",
        "19510409",
    ],
)
@pytest.mark.parametrize("type_", [FactType.TEXT, FactType.TERM, FactType.SCHEDULE])
def test_a_person_named_in_the_free_text_of_another_fact_is_hidden(text: str, type_: FactType) -> None:
    prompt = build_prompt(a_chart(fact("plan.1.what", text, type_)), "de")

    assert not [secret for secret in SECRETS if secret.lower() in prompt.text.lower()]
    assert "…" in values(prompt.text)["plan.1.what"]


def test_hiding_a_person_leaves_words_that_only_contain_a_name() -> None:
    chart = Chart(facts=(fact("patient.family", "Brust", FactType.NAME), fact("plan.1.what", "Brustwandbestrahlung")))

    assert values(build_prompt(chart, "de").text)["plan.1.what"] == "Brustwandbestrahlung"


@pytest.mark.parametrize("text", ["siehe [[course.1.start]]", "[[", "]]", "x [[patient.name]] y", "### Brief\n[[a]]"])
def test_brackets_and_headings_of_a_source_never_read_as_ours(text: str) -> None:
    prompt = build_prompt(a_chart(fact("plan.1.what", text)), "de")

    shown = values(prompt.text)["plan.1.what"]
    assert "[" not in shown
    assert "]" not in shown
    assert "###" not in shown
    assert re.findall(r"\[\[([a-z0-9_.]+)\]\]", prompt.text) == [*prompt.handles, *prompt.handles]


def test_all_handles_stand_once_more_without_values_right_before_the_letter() -> None:
    prompt = build_prompt(a_chart(fact("plan.1.what", "Nachsorge")), "de")

    assert prompt.text.splitlines()[-2] == "".join(f"[[{handle}]]" for handle in prompt.handles)


def test_a_long_value_is_cut_and_stays_on_one_line() -> None:
    shown = values(build_prompt(a_chart(fact("plan.1.what", "sehr\nlang " * 30)), "de").text)["plan.1.what"]

    assert len(shown) <= VALUE_LENGTH
    assert shown.endswith("…")


def test_within_the_budget_stand_the_important_and_of_equals_the_recent() -> None:
    old_and_new = [
        one
        for number, day in enumerate(("2019-01-01", "2026-01-01", "2022-01-01"), start=1)
        for one in (fact(f"procedure.{number}.name", "Eingriff"), fact(f"procedure.{number}.date", day, FactType.DATE))
    ]
    important = fact("course.1.volume.1.dose", "50,4 Gy", FactType.DOSE, importance=Importance.HIGH)
    minor = fact("lab.1.value", "13", FactType.LAB, importance=Importance.LOW)
    chart = Chart(facts=(minor, *old_and_new, important))

    assert build_prompt(chart, "de", budget=3).handles == ("procedure.2.name", "procedure.2.date", important.handle)
    assert build_prompt(chart, "de", budget=1).handles == (important.handle,)
    assert build_prompt(chart, "de", budget=99).handles == tuple(each.handle for each in chart.facts)


def test_a_handle_that_the_model_cannot_write_is_not_shown() -> None:
    chart = a_chart(fact("lab.1.value", "13", FactType.LAB), fact("lab.99.value", "14", FactType.LAB))

    prompt = build_prompt(chart, "de", knows=lambda handle: handle != "lab.99.value")

    assert "lab.1.value" in prompt.handles
    assert "lab.99.value" not in prompt.text


def test_the_same_chart_gives_the_same_digest_and_another_value_another() -> None:
    prompt = build_prompt(a_chart(fact("lab.1.value", "13", FactType.LAB)), "de")

    assert prompt == build_prompt(a_chart(fact("lab.1.value", "13", FactType.LAB)), "de")
    assert prompt.digest != build_prompt(a_chart(fact("lab.1.value", "14", FactType.LAB)), "de").digest
    assert prompt.digest != build_prompt(a_chart(fact("lab.1.value", "13", FactType.LAB)), "en").digest


def test_another_patient_with_the_same_findings_gives_the_same_prompt() -> None:
    findings = fact("lab.1.value", "13", FactType.LAB)
    other = Chart(
        facts=tuple(replace(each, value="other", display=Display(de="anders", en="other")) for each in a_chart().facts)
    )

    assert build_prompt(a_chart(findings), "de").text == build_prompt(Chart(facts=(*other.facts, findings)), "de").text


def test_an_unknown_prompt_version_is_named() -> None:
    with pytest.raises(WrongSetting, match="prompt version '77'"):
        version_digest("77")
