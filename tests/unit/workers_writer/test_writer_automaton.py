"""What strict decoding lets a letter say, character by character."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from writer_tokenizers import LANGUAGES, chart, chart_references, faults, letters

from service.model import Lang
from workers.writer.automaton import START, State, advance, may_end
from workers.writer.terms import DIGIT_TERMS, Trie, build_trie

REFERENCES = ("[[course.1.start]]", "[[course.1.start:month]]", "[[course.1.fractions]]", "[[course.12.start]]")
HANDLES = build_trie((each, "handle") for each in REFERENCES)


def lawful(text: str, handles: Trie = HANDLES) -> bool:
    state: State | None = START
    for char in text:
        state = advance(state, char, handles) if state is not None else None
    return state is not None and may_end(state)


@pytest.mark.parametrize(
    "text",
    [
        "Beginn [[course.1.start]], im [[course.1.start:month]].",
        "([[course.1.fractions]])",
        "Von [[course.1.start]] an [[course.12.start]].",
    ],
)
def test_a_handle_of_the_chart_may_be_written(text: str) -> None:
    assert lawful(text)


@pytest.mark.parametrize(
    "text",
    [
        "[[course.2.start]]",
        "[[course.1.start:year]]",
        "[[course.1]]",
        "[[course.1.start]",
        "[[course.1.start",
        "[course.1.start]",
        "[[ course.1.start]]",
        "[[[course.1.start]]]",
        "ein ]",
        "ein [ mehr",
    ],
)
def test_no_other_bracket_may_be_written(text: str) -> None:
    assert not lawful(text)


def test_two_handles_never_touch_because_their_values_would_read_as_one_number() -> None:
    assert not lawful("[[course.1.fractions]][[course.1.fractions]]")
    assert not lawful("HER2[[course.1.fractions]]")
    assert not lawful("[[course.1.fractions]]3D")
    assert lawful("[[course.1.fractions]] [[course.1.fractions]]")


@pytest.mark.parametrize(
    "text",
    ["50 Gy", "Am 3.", "a1", "x2y", "٥٠ Gy", "５ Gy", "m²", "½ Tablette", "Ⅳ", "①", "五 Gy", "₂"],
)
def test_digits_and_numerals_of_every_script_are_refused(text: str) -> None:
    assert not lawful(text)


@pytest.mark.parametrize(
    "text", ["fu\u0308nfzig", "fünf\u200bzig", "fünf\u00adzig", "G\u0301y", "a\x00b", "a\u2028b", "a\rb"]
)
def test_characters_that_hide_in_a_word_are_refused(text: str) -> None:
    assert not lawful(text)


@pytest.mark.parametrize("term", DIGIT_TERMS)
def test_a_term_that_carries_a_digit_may_stand_anywhere_and_end_a_sentence(term: str) -> None:
    for text in (f"{term}", f"Nach {term}.", f"Nach {term}.\nWeiter", f"({term})", f"{term}-Wert", f"{term}, dann"):
        assert lawful(text), text


@pytest.mark.parametrize(
    "text", ["HER3", "HER22", "CTCAE v6", "CTCAE v", "CA 15", "CA 15-4", "AHER2", "HER2x", "ICD-11"]
)
def test_what_is_nearly_a_term_carries_no_digit(text: str) -> None:
    assert lawful(text) == (not any(char.isdigit() for char in text))


@pytest.mark.parametrize("text", ["1. Strahlentherapie", "Diagnosen:\n1. Eins\n2) Zwei\n10. Zehn", "30. Letztes"])
def test_a_line_may_begin_with_a_list_number(text: str) -> None:
    assert lawful(text)


@pytest.mark.parametrize(
    "text", ["Am 1. ", "1.5", "1.", "\n31. Zeile", "\n0. Zeile", " 1. Punkt", "1.Punkt", "\n2. Gy", "\n28. Fraktion"]
)
def test_a_list_number_is_refused_elsewhere_and_before_a_unit(text: str) -> None:
    assert not lawful(text)


@pytest.mark.parametrize(
    "text",
    [
        "fünfzig Gray",
        "Fünfzig Gy",
        "fuenfzig Gy",
        "zwanzig Fraktionen",
        "sechs weitere Zyklen",
        "drei volle, weitere Zyklen",
        "zwei-Gray-Fraktionen",
        "hundertzwanzig mg",
        "zweihundertfünfzig mg",
        "zweitausend ml",
        "eine Fraktion",
        "twenty-five fractions",
        "twenty five Gy",
        "one hundred mg",
        "three additional cycles",
        "a single fraction",
        "two tablets",
        "acht µg",
    ],
)
def test_a_number_word_never_counts_a_unit(text: str) -> None:
    assert not lawful(text)


@pytest.mark.parametrize(
    "text",
    [
        "eine gynäkologische Kontrolle",
        "Zwei Befunde.",
        "zwei. Gray",
        "eine Fraktionierung",
        "one of the gynaecological controls",
        "Hyperfraktionierung in einer Klinik",
        "six weeks later",
        "drei Monate nach der letzten Sitzung",
    ],
)
def test_a_number_word_may_count_what_is_no_unit(text: str) -> None:
    assert lawful(text)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("seed", range(12))
def test_every_letter_of_the_training_styles_is_lawful(seed: int, lang: Lang) -> None:
    handles = build_trie((each, "handle") for each in chart_references(chart(seed, lang), lang))
    for letter in letters([seed], [lang]):
        assert lawful(letter, handles)


@pytest.mark.parametrize("text", ["\n", " \nDiagnosen", "Diagnosen\n\n\nTherapie", "Diagnosen\n \n \nTherapie"])
def test_a_letter_neither_begins_blank_nor_holds_two_blank_lines_in_a_row(text: str) -> None:
    assert not lawful(text)


PIECES = st.sampled_from(
    [
        *"abegmnuvyzäü 0123456789²٣Ⅷ[]().,:;-/\n",
        *REFERENCES,
        *DIGIT_TERMS,
        "zwei",
        "fünfzig",
        "Gy",
        "mg",
        "Fraktionen",
        "1. ",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=25), st.randoms(use_true_random=False))
def test_whatever_passes_has_no_digit_outside_handles_and_terms(pieces: list[str], rng: random.Random) -> None:
    state, text = START, ""
    for piece in pieces:
        reached: State | None = state
        for char in piece:
            reached = advance(reached, char, HANDLES) if reached is not None else None
        if reached is not None:
            state, text = reached, text + piece
        else:
            # try a single character, so that walks also leave the trodden paths
            char = rng.choice(piece)
            after = advance(state, char, HANDLES)
            state, text = (after, text + char) if after is not None else (state, text)
    if may_end(state):
        assert faults(text, REFERENCES) == []
