"""Fields out of bytes, whatever an interface engine did to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7.message import read_message, split_messages
from service.errors import UnusableInput

MSH = b"MSH|^~\\&|KIS|KH|EPI|STR|20260312093000||ADT^A03^ADT_A03|4711|P|2.5|||||DE|"


def message(*segments: bytes, charset: bytes = b"", end: bytes = b"\r") -> bytes:
    return end.join((MSH + charset, *segments)) + end


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_a_segment_ends_with_cr_lf_or_both(end: bytes) -> None:
    read = read_message(message(b"PID|1||99^^^KIS^MR", b"PV1|1|I", end=end))
    assert [segment.name for segment in read.segments()] == ["MSH", "PID", "PV1"]
    assert read.segments("PID")[0].value(3) == "99"


def test_the_last_cr_may_be_missing_and_framing_bytes_are_passed_over() -> None:
    read = read_message(b"\x0b" + message(b"PID|1||99").rstrip(b"\r") + b"\x1c\r")
    assert read.segments("PID")[0].value(3) == "99"


def test_the_header_names_type_trigger_and_control_id() -> None:
    read = read_message(message())
    assert (read.type, read.trigger, read.control_id) == ("ADT", "A03", "4711")
    header = read.segments("MSH")[0]
    assert (header.value(1), header.value(2), header.value(3)) == ("|", "^~\\&", "KIS")


def test_separators_are_those_of_the_header() -> None:
    read = read_message(b"MSH#*!?%#KIS#KH###20260312##ADT*A03#1#P#2.5\rPID#1##9***KIS%1.2%ISO*MR!8#?F?x?S?\r")
    pid = read.segments("PID")[0]
    assert read.trigger == "A03"
    assert [pid.value(3, component=4, sub=number) for number in (1, 2, 3)] == ["KIS", "1.2", "ISO"]
    assert pid.value(3, repetition=2) == "8"
    assert pid.value(4) == "#x*"


def test_fields_components_subcomponents_and_repetitions_are_counted_from_one() -> None:
    pid = read_message(message(b"PID|1||A^B&b^C~D^E|||")).segments("PID")[0]
    assert pid.repetitions(3) == 2
    assert pid.value(3, component=2, sub=2) == "b"
    assert pid.value(3, component=2, repetition=2) == "E"
    assert list(pid.components(3)) == ["A", "B&b", "C"]
    assert list(pid.components(3, 2)) == ["D", "E"]
    assert [pid.value(number) for number in (0, -1, 4, 99)] == ["", "", "", ""]
    assert pid.repetitions(4) == pid.repetitions(99) == 0
    assert pid.components(99) == ()


def test_delete_can_be_told_from_unchanged() -> None:
    pid = read_message(message(b'PID|1||""||')).segments("PID")[0]
    assert pid.value(3) == '""'
    assert pid.value(4) == ""


def test_a_source_names_message_segment_field_and_repetition() -> None:
    obx = read_message(message(b"OBX|1|NM|a", b"OBX|2|NM|b")).segments("OBX")[1]
    assert obx.source(5) == "4711#OBX[2]-5[1]"
    assert obx.source(3, repetition=2, component=1) == "4711#OBX[2]-3[2].1"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (rb"a\F\b\S\c\T\d\R\e\E\f", "a|b^c&d~e\\f"),
        (rb"eins\.br\zwei\.sp2\drei", "eins\nzwei\n\ndrei"),
        (rb"\H\fett\N\ ", "fett "),
        (rb"\X4D\\XC3BC\ller", "Müller"),
        (rb"\XC3\\XBC\ ", "ü "),
        (rb"\E\X41\E\ ", "\\X41\\ "),
        (rb"\X4\ \Zxy\ \C2842\ ", "\\X4\\ \\Zxy\\ \\C2842\\ "),
        (rb"C:\Befunde", "C:\\Befunde"),
    ],
)
def test_escape_sequences_are_resolved_and_unknown_ones_kept(sent: bytes, read: str) -> None:
    assert read_message(message(b"OBX|1|TX|a||" + sent)).segments("OBX")[0].value(5) == read


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        (b"UNICODE UTF-8", "utf-8"),
        (b"8859/1", "latin-1"),
        (b"8859/15", "iso8859-15"),
        (b"", "utf-8"),
        (b"", "latin-1"),
        (b"ASCII", "latin-1"),
        (b"ASCII", "utf-8"),
        (b"UNICODE UTF-8", "latin-1"),
        (b"NO SUCH SET", "utf-8"),
        (b"UNICODE UTF-16", "utf-8"),
    ],
)
def test_an_umlaut_is_read_in_the_declared_set_or_what_the_bytes_show(charset: bytes, encoding: str) -> None:
    body = message("PID|1||9||Müller^Jürgen".encode(encoding), charset=charset)
    pid = read_message(body).segments("PID")[0]
    assert pid.value(5) + pid.value(5, component=2) == "MüllerJürgen"


def test_a_byte_order_mark_does_not_hide_the_message() -> None:
    utf8 = b"\xef\xbb\xbf" + message("PID|1||9||Müller".encode())
    assert read_message(utf8).segments("PID")[0].value(5) == "Müller"
    assert read_message(utf8.decode("utf-8-sig").encode("utf-16")).segments("PID")[0].value(5) == "Müller"
    assert read_message(b"\x0b" + utf8).segments("PID")[0].value(5) == "Müller"


def test_a_single_wrong_byte_spoils_neither_the_message_nor_its_neighbours() -> None:
    body = message("PID|1||9||Müller".encode() + b"^J\xfcrgen", charset=b"UNICODE UTF-8")
    assert list(read_message(body).segments("PID")[0].components(5)) == ["Müller", "Jürgen"]


def test_a_line_break_inside_a_field_stays_with_its_field() -> None:
    read = read_message(message(b"OBX|1|TX|a||Erste Zeile\nzweite Zeile", b"OBX|2|TX|b||c"))
    assert [obx.value(5) for obx in read.segments("OBX")] == ["Erste Zeile\nzweite Zeile", "c"]


def test_segments_no_standard_knows_are_read_like_any_other() -> None:
    assert read_message(message(b"ZBE|1^x")).segments("ZBE")[0].value(1, component=2) == "x"


@pytest.mark.parametrize(
    ("charset", "encoding", "name"),
    [
        ("8859/2", "iso8859-2", "Dvořák"),
        ("8859/5", "iso8859-5", "Иванов"),
        ("8859/7", "iso8859-7", "Παπάς"),
        ("8859/8", "iso8859-8", "כהן"),
        ("8859/9", "iso8859-9", "Yılmaz"),
        ("8859/15", "iso8859-15", "Œuvrard €"),
        ("ISO-8859-1", "latin-1", "Müller"),
        ("ISO8859/1", "latin-1", "Müller"),
        ("unicode utf-8", "utf-8", "Müller"),
        ("UTF-8", "utf-8", "Müller"),
        ("8859/1~UNICODE UTF-8", "latin-1", "Ã¼"),
        ("GB 18030-2000", "gb18030", "王小明"),
        ("KS X 1001", "euc_kr", "김철수"),
        ("BIG-5", "big5", "陳大文"),
        ("ISO IR14", "cp932", "ﾔﾏﾀﾞ"),
        ("~ISO IR87", "iso2022_jp", "山田"),
        ("ASCII~ISO IR87~ISO IR159", "iso2022_jp", "山田"),
    ],
)
def test_every_set_of_table_0211_is_read(charset: str, encoding: str, name: str) -> None:
    body = message(f"PID|1||9||{name}^x".encode(encoding), charset=charset.encode())
    assert read_message(body).segments("PID")[0].value(5) == name


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-32-le", "utf-32-be", "utf-32"])
@pytest.mark.parametrize(("before", "after"), [(b"", b""), (b"\x0b", b"\x1c\r"), (b"", b"\x1c\r")])
def test_a_message_of_wide_characters_is_read_with_and_without_a_mark(
    encoding: str, before: bytes, after: bytes
) -> None:
    text = message("PID|1||9||Müller €".encode(), charset=b"UNICODE UTF-16").decode()
    data = before + text.encode(encoding) + after
    read = read_message(data)
    assert (read.segments("PID")[0].value(5), read.type) == ("Müller €", "ADT")
    assert [read_message(body).segments("PID")[0].value(5) for body in split_messages(data + data)] == ["Müller €"] * 2


def test_hexadecimal_escapes_are_bytes_also_in_wide_characters() -> None:
    body = message(b"OBX|1|TX|a||a\\X0D0A\\b").decode().encode("utf-16-le")
    assert read_message(body).segments("OBX")[0].value(5) == "a\r\nb"


@pytest.mark.parametrize(
    "line", [b"pid|1||9", b"Pid|1||9", b"  PID|1||9", b"\tPID|1||9", b"PID|1||9   ", b"PID|1||9\0\0"]
)
def test_a_segment_is_known_in_small_letters_and_behind_blanks(line: bytes) -> None:
    assert read_message(message(line)).segments("PID")[0].value(3).strip() == "9"


def test_a_line_of_a_text_in_small_letters_is_no_segment() -> None:
    read = read_message(message(b"OBX|1|TX|a||Dosis\nvon|bis\n  und|so"))
    assert [segment.name for segment in read.segments()] == ["MSH", "OBX"]
    assert read.segments("OBX")[0].value(5) == "Dosis\nvon"


def test_a_header_may_be_in_small_letters_or_indented() -> None:
    for text in (MSH.replace(b"MSH", b"msh"), b"   " + MSH, b"\r\n\r\n" + MSH):
        assert read_message(text).control_id == "4711"


@pytest.mark.parametrize("cut", [b"P", b"PV", b"PV1", b"PV1|"])
def test_a_last_segment_cut_short_does_not_spoil_the_one_before(cut: bytes) -> None:
    read = read_message(message(b"PID|1||9||Beispiel") + cut)
    assert read.segments("PID")[0].value(5) == "Beispiel"


def test_a_line_of_a_text_that_names_the_header_is_no_message() -> None:
    body = message(b"OBX|1|TX|a||erste Zeile\nMSH-10 fehlt\nEnde")
    assert split_messages(body) == [body]


def test_segments_come_in_the_order_of_the_message_and_know_their_number() -> None:
    read = read_message(message(b"OBX|1", b"NTE|1", b"OBX|2", b"NTE|2"))
    assert [(each.name, each.index) for each in read.segments("NTE", "OBX")] == [
        ("OBX", 1),
        ("NTE", 1),
        ("OBX", 2),
        ("NTE", 2),
    ]
    assert read.segments("OBX")[1].sent(1) == "2"


def test_a_field_is_also_told_as_sent() -> None:
    pid = read_message(message(rb"PID|1||A^B\T\~C")).segments("PID")[0]
    assert (pid.sent(3), pid.sent(0), pid.sent(99)) == (r"A^B\T\~C", "", "")


@pytest.mark.parametrize("body", [b"", b"hello", b"MSH", b"MSHX|", b"PID|1\rMSHA", b"\x00" * 9, b"xMSH|^~\\&|"])
def test_bytes_without_a_header_are_refused(body: bytes) -> None:
    with pytest.raises(UnusableInput, match="MSH"):
        read_message(body)


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=1))
def test_nothing_after_a_header_can_make_reading_fail(rest: bytes, separator: bytes) -> None:
    try:
        read = read_message(b"MSH" + separator + rest)
    except UnusableInput:
        return
    for segment in read.segments():
        for field in range(30):
            segment.components(field, 2)
            segment.value(field, component=2, sub=2, repetition=segment.repetitions(field))
            segment.source(field, component=1)


@given(st.text(alphabet="aä€|^~&\\#XFE.br\n", max_size=30))
def test_what_was_escaped_reads_as_it_was(text: str) -> None:
    from adapters.hl7.text import escape

    read = read_message(message(f"OBX|1|TX|a||{escape(text)}|".encode()))
    assert read.segments("OBX")[0].value(5) == text


@pytest.mark.parametrize("sent", ["A\\T\\B&C^D", "A^B", "A~B", "4711", '""', "^"])
def test_the_control_id_is_the_whole_field_as_sent(sent: str) -> None:
    read = read_message(f"MSH|^~\\&|KIS|KH|EPI|STR|20260312||ADT^A03|{sent}|P|2.5\rPID|1||99".encode())
    assert read.control_id == sent
    assert read.segments("PID")[0].source(3) == f"{sent}#PID[1]-3[1]"
    assert read.header.source(10) == f"{sent}#MSH[1]-10[1]"
