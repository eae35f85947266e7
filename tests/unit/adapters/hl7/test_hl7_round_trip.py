"""Any message, in any permitted form, in any portions of the stream: what was written is what is read."""

from collections.abc import Iterator
from itertools import pairwise

from hl7_writer import Field, Form, are_distinct
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.hl7.framing import Frame, FrameReader, frame
from adapters.hl7.message import read_message, split_messages

PUNCTUATION = "!\"#$%&'()*+,-/:;<=>?@[\\]^_`{|}~"
"""All that may separate. A full stop may not: ``\\.br\\`` would fall apart."""
CHARSETS = {
    "": "utf-8",
    "ASCII": "ascii",
    "UNICODE UTF-8": "utf-8",
    **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "UNICODE UTF-16": "utf-16",
    "UNICODE": "utf-16-le",
    "UNICODE UTF-32": "utf-32",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
    "~ISO IR87": "iso2022_jp",
}
LETTERS = {"gb18030": "王小明", "euc_kr": "김철수", "big5": "陳大文", "iso2022_jp": "山田"}


def _letters(codec: str) -> str:
    if codec.startswith("utf"):
        return "äßŁЖΩ漢€😀"
    high = bytes(range(0xA1, 0x100)) if codec.startswith("iso8859") else b""
    return LETTERS.get(codec, "") + high.decode(codec, "ignore")


@st.composite
def forms(draw: st.DrawFn) -> Form:
    marks = draw(st.text(PUNCTUATION, min_size=5, max_size=5).filter(are_distinct))
    charset = draw(st.sampled_from(sorted(CHARSETS)))
    marks = marks if not charset.startswith("~") else "|^~\\&"
    field, component, repetition, escape, sub = tuple(marks)
    end = draw(st.sampled_from(["\r", "\n", "\r\n"]))
    return Form(
        field=field, component=component, repetition=repetition, escape=escape, sub=sub,
        charset=charset, codec=CHARSETS[charset], end=end,
    )  # fmt: skip


@st.composite
def contents(draw: st.DrawFn, form: Form) -> list[tuple[str, list[Field]]]:
    alphabet = "aB0 .X" + PUNCTUATION + _letters(form.codec)
    words = st.text(alphabet, max_size=6).map(str.strip) | st.text(alphabet + "\n", max_size=6).map(str.strip)
    fields: st.SearchStrategy[Field] = st.lists(
        st.lists(st.lists(words, min_size=1, max_size=3), min_size=1, max_size=3), min_size=1, max_size=3
    )
    names = st.sampled_from(["PID", "PV1", "OBX", "ZBE", "ZZ9"])
    return draw(st.lists(st.tuples(names, st.lists(fields, min_size=1, max_size=4)), max_size=5))


@st.composite
def written(draw: st.DrawFn) -> tuple[bytes, Form, list[tuple[str, list[Field]]]]:
    form = draw(forms())
    segments = draw(contents(form))
    return form.write("M1", segments), form, segments


def places(fields: list[Field]) -> Iterator[tuple[int, int, int, int, str]]:
    """Field, repetition, component, subcomponent as HL7 counts, and what was written there."""
    for field, repetitions in enumerate(fields, 1):
        for repetition, components in enumerate(repetitions, 1):
            for component, subs in enumerate(components, 1):
                yield from ((field, repetition, component, sub, text) for sub, text in enumerate(subs, 1))


@settings(deadline=None)
@given(written())
def test_any_message_in_any_form_reads_as_it_was_written(
    each: tuple[bytes, Form, list[tuple[str, list[Field]]]],
) -> None:
    body, _, segments = each
    message = read_message(body)
    assert (message.type, message.trigger, message.control_id) == ("ADT", "A08", "M1")
    assert [segment.name for segment in message.segments()] == ["MSH", *(name for name, _ in segments)]
    for segment, (_, fields) in zip(message.segments()[1:], segments, strict=True):
        for field, repetition, component, sub, text in places(fields):
            assert segment.value(field, repetition=repetition, component=component, sub=sub) == text
    assert [read_message(part).control_id for part in split_messages(body)] == ["M1"]


@settings(deadline=None, max_examples=60)
@given(st.lists(written(), min_size=1, max_size=2), st.data())
def test_any_message_survives_any_portions_of_the_stream(
    messages: list[tuple[bytes, Form, list[tuple[str, list[Field]]]]], data: st.DataObject
) -> None:
    bodies = [body for body, _, _ in messages if not {0x0B, 0x1C} & set(body)]
    stream = b"".join(frame(body) for body in bodies)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    reader = FrameReader(max_message_bytes=1 << 20)
    parts = (stream[start:end] for start, end in pairwise([0, *cuts, len(stream)]))
    frames = [each for part in parts for each in reader.feed(part)]
    assert frames == [Frame(body=body) for body in bodies]
    assert reader.end() is None
