"""Failures of the wire are told apart by what the server can have stored."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir.client import FhirClient, answered_badly, escaped, failed_in_transit, reference_in
from service.errors import EhrAmbiguous, EhrRefused, EhrUnavailable, EpikriseError, WrongSetting

SECRET = "Beispiel-1961"


@contextmanager
def a_server(answer: bytes | None) -> Iterator[str]:
    """Reads one request of up to 64 KiB on each connection, sends these bytes, closes. None: closes at once."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                if answer is not None:
                    connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)


def an_answer(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def a_read(client: FhirClient) -> object:
    return client.read("Patient/1")


def a_write(client: FhirClient) -> object:
    return client.create({"resourceType": "Patient", "name": [{"family": SECRET}]})


@pytest.mark.parametrize(
    ("answer", "reading", "writing"),
    [
        (None, EhrUnavailable, EhrAmbiguous),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{", EhrUnavailable, EhrAmbiguous),
        (b"no http at all\r\n\r\n", EhrUnavailable, EhrAmbiguous),
        (an_answer("500 Oops"), EhrUnavailable, EhrAmbiguous),
        (an_answer("502 Bad Gateway", b"<html>"), EhrUnavailable, EhrAmbiguous),
        (an_answer("504 Gateway Timeout"), EhrUnavailable, EhrAmbiguous),
        (an_answer("503 Unavailable", b"", "Retry-After: 2"), EhrUnavailable, EhrUnavailable),
        (an_answer("429 Too Many"), EhrUnavailable, EhrUnavailable),
        (an_answer("501 Not Implemented"), EhrRefused, EhrRefused),
        (an_answer("404 Not Found", b"[]"), EhrRefused, EhrRefused),
        (an_answer("401 Unauthorized"), EhrRefused, EhrRefused),
        (an_answer("302 Found", b"", "Location: http://elsewhere.example/"), EhrRefused, EhrRefused),
        (an_answer("200 OK", b"<html>"), EhrRefused, EhrAmbiguous),
        (an_answer("201 Created"), EhrRefused, EhrAmbiguous),
    ],
)
def test_each_failure_says_whether_something_may_be_stored(
    answer: bytes | None, reading: type[EpikriseError], writing: type[EpikriseError]
) -> None:
    with a_server(answer) as base, FhirClient(base, timeout=5) as client:
        calls: list[tuple[Callable[[FhirClient], object], type[EpikriseError]]] = [
            (a_read, reading),
            (a_write, writing),
        ]
        for call, expected in calls:
            with pytest.raises(expected) as caught:
                call(client)
            assert type(caught.value) is expected
            assert SECRET not in str(caught.value)
            assert base not in str(caught.value)


def test_a_create_answered_without_body_is_known_by_its_location() -> None:
    answer = an_answer("201 Created", b"", "Location: https://ehr.example/fhir/Patient/17/_history/1")
    with a_server(answer) as base, FhirClient(base, timeout=5) as client:
        written = client.create({"resourceType": "Patient"})
    assert (written.reference, written.created, written.resource) == ("Patient/17", True, None)


def test_a_timeout_after_sending_a_write_is_ambiguous() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, FhirClient(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.2) as client:
        with pytest.raises(EhrAmbiguous):
            a_write(client)
        with pytest.raises(EhrUnavailable):
            a_read(client)


@pytest.mark.parametrize(
    ("error", "writing", "expected"),
    [
        (httpx.ConnectError("x"), True, EhrUnavailable),
        (httpx.ConnectTimeout("x"), True, EhrUnavailable),
        (httpx.PoolTimeout("x"), True, EhrUnavailable),
        (httpx.WriteError("x"), True, EhrAmbiguous),
        (httpx.WriteTimeout("x"), True, EhrAmbiguous),
        (httpx.ReadTimeout("x"), True, EhrAmbiguous),
        (httpx.RemoteProtocolError("x"), True, EhrAmbiguous),
        (httpx.ReadTimeout("x"), False, EhrUnavailable),
        (httpx.UnsupportedProtocol("x"), True, WrongSetting),
    ],
)
def test_only_what_failed_before_sending_is_surely_not_stored(
    error: httpx.TransportError, writing: bool, expected: type[EpikriseError]
) -> None:
    assert type(failed_in_transit(error, "POST Task", writing=writing)) is expected


def test_an_outcomes_codes_and_paths_are_kept_and_its_words_are_not() -> None:
    issue = {
        "severity": "error",
        "code": "code-invalid",
        "diagnostics": f"no {SECRET}",
        "details": {"text": SECRET},
        "expression": ["DocumentReference.content[0].attachment"],
    }
    quoting = {**issue, "expression": [f"Patient.name.where(family='{SECRET}')"]}
    answer = httpx.Response(422, json={"resourceType": "OperationOutcome", "issue": [issue, quoting, {"code": SECRET}]})
    error = answered_badly(answer, "POST DocumentReference", writing=True)
    assert isinstance(error, EhrRefused)
    assert error.issues == ("code-invalid", "code-invalid")
    assert "code-invalid at DocumentReference.content[0].attachment" in str(error)
    assert SECRET not in str(error)


@given(
    status=st.integers(300, 599),
    body=st.one_of(st.binary(max_size=40), st.just(b'{"resourceType":"OperationOutcome","issue":[3,null,{"code":1}]}')),
    retry=st.one_of(st.none(), st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)),
)
def test_no_answer_however_odd_escapes_the_error_tree(status: int, body: bytes, retry: str | None) -> None:
    answer = httpx.Response(status, content=body, headers={} if retry is None else {"Retry-After": retry})
    for writing in (True, False):
        assert isinstance(answered_badly(answer, "POST Task", writing=writing), EpikriseError)


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    for text, expected in (("12", 12.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None)):
        error = answered_badly(httpx.Response(503, headers={"Retry-After": text}), "GET Patient", writing=False)
        assert isinstance(error, EhrUnavailable)
        assert error.retry_after == expected


@pytest.mark.parametrize(
    ("link", "asked"),
    [
        ("{base}?_page=2", "/fhir?_page=2"),
        ("https://inside.local/fhir?_page=2", "/fhir?_page=2"),
        ("https://inside.local/fhir/Patient?_page=2", "/fhir/Patient?_page=2"),
        ("Patient?_page=2", "/fhir/Patient?_page=2"),
    ],
)
def test_a_next_link_is_followed_on_our_own_server_only(link: str, asked: str) -> None:
    asked_for: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked_for.append(f"{request.url.host}{request.url.raw_path.decode()}")
        page = {"resourceType": "Bundle", "type": "searchset"}
        if len(asked_for) == 1:
            page = {**page, "link": [{"relation": "next", "url": link.format(base="https://ehr.example/fhir")}]}  # type: ignore[dict-item]
        return httpx.Response(200, json=page)

    with FhirClient("https://ehr.example/fhir", transport=httpx.MockTransport(answer)) as client:
        assert client.search("Patient", (("family", "x"),)) == []
    assert asked_for[1] == f"ehr.example{asked}"


def test_next_links_that_go_in_a_circle_end() -> None:
    page = {"resourceType": "Bundle", "type": "searchset", "link": [{"relation": "next", "url": "Patient?a=1"}]}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=page))
    with FhirClient("https://ehr.example/fhir", transport=transport) as client, pytest.raises(EhrRefused, match="next"):
        client.search("Patient", (("a", "1"),))


def test_a_base_address_that_is_none_is_a_wrong_setting() -> None:
    for base in ("", "ehr.example/fhir", "ftp://ehr.example"):
        with pytest.raises(WrongSetting):
            FhirClient(base)


def test_references_are_read_out_of_addresses() -> None:
    assert reference_in("http://x/fhir/Task/7/_history/2") == reference_in("Task/7") == "Task/7"
    assert reference_in("urn:uuid:1") == reference_in("") == reference_in("Task") == ""
    assert escaped("a|b,c$d\\e") == "a\\|b\\,c\\$d\\\\e"


def a_page(*resources: object, following: str = "") -> bytes:
    link = [{"relation": "next", "url": following}] if following else []
    entries = [{"resource": each} for each in resources]
    page = {"resourceType": "Bundle", "type": "searchset", "link": link, "entry": entries}
    return an_answer("200 OK", orjson.dumps(page), "Content-Type: application/fhir+json")


def an_outcome(code: str, severity: str = "warning", **members: object) -> dict[str, object]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code, **members}]}


@pytest.mark.parametrize(
    ("outcome", "is_whole"),
    [
        (an_outcome("informational", "information"), True),
        (an_outcome("not-supported"), True),
        (an_outcome("incomplete"), False),
        (an_outcome("timeout", "information"), False),
        (an_outcome("exception", "error"), False),
        (an_outcome("processing", "fatal"), False),
    ],
)
def test_an_answer_that_says_it_is_not_whole_is_no_answer(outcome: object, is_whole: bool) -> None:
    with a_server(a_page({"resourceType": "Condition", "id": "1"}, outcome)) as base, FhirClient(base) as client:
        if is_whole:
            assert [each["id"] for each in client.search("Condition", ())] == ["1"]
        else:
            with pytest.raises(EhrUnavailable, match="not whole"):
                client.search("Condition", ())


def test_links_that_lead_in_a_circle_end() -> None:
    endless = pytest.raises(EhrRefused, match="do not end")
    with a_server(a_page(following="Condition?page=2")) as base, FhirClient(base) as client, endless:
        client.search("Condition", ())


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7.0, 7.0),
        ("0", 0.0, 0.0),
        ("9" * 400, 86400.0, 86400.0),
        ("in 90 s", 60.0, 90.0),
        ("90 s ago", 0.0, 0.0),
        ("Sunday", None, None),
        ("-1", None, None),
    ],
)
@pytest.mark.parametrize("status", ["429 Too Many", "503 Unavailable"])
def test_how_long_to_wait_is_told_in_seconds_or_as_a_date(
    status: str, header: str, least: float | None, most: float | None
) -> None:
    seconds = {"in 90 s": 90, "90 s ago": -90}.get(header)
    if seconds is not None:  # a date of now: cases are collected minutes before they run
        header = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    answer = an_answer(status, b"", f"Retry-After: {header}")
    with a_server(answer) as base, FhirClient(base, timeout=5) as client, pytest.raises(EhrUnavailable) as caught:
        a_write(client)
    told = caught.value.retry_after
    assert (told is None) == (least is None)
    assert told is None or (least is not None and most is not None and least <= told <= most)


def test_an_outcome_is_told_by_its_codes_and_places_and_never_in_its_own_words() -> None:
    coding = [{"system": "https://vendor.example/errors", "code": "ERR-4711", "display": SECRET}]
    outcome = an_outcome(
        "business-rule",
        "error",
        diagnostics=SECRET,
        details={"coding": coding, "text": SECRET},
        expression=["Task.owner"],
    )
    answer = an_answer("422 Unprocessable", orjson.dumps(outcome), "Content-Type: application/fhir+json")
    with a_server(answer) as base, FhirClient(base, timeout=5) as client, pytest.raises(EhrRefused) as caught:
        a_write(client)
    assert "HTTP 422 (business-rule ERR-4711 at Task.owner)" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.issues == ("business-rule",)


def test_a_coding_that_could_be_content_is_left_out() -> None:
    outcome = an_outcome("value", "error", details={"coding": [{"code": "Beispiel, Berta 1961"}]})
    answer = an_answer("422 Unprocessable", orjson.dumps(outcome))
    with a_server(answer) as base, FhirClient(base, timeout=5) as client, pytest.raises(EhrRefused) as caught:
        a_write(client)
    assert "(value)" in str(caught.value)
