"""The EHR is spoken to with the token that the settings hold, by the processes as by the doctor."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from operator_desk import Operator, epikrise, home

from service.bootstrap import open_installation
from service.config import load_settings

__all__ = ["epikrise", "home"]

TOKEN = "777888999"
"""All digits: read as a number it would be no token."""
CAPABILITIES = b'{"resourceType": "CapabilityStatement", "status": "active", "fhirVersion": "4.0.1", "rest": []}'


class Ehr:
    """Answers every question with its capabilities and remembers how it was asked."""

    def __init__(self) -> None:
        self.authorizations: list[str | None] = []
        remembered = self.authorizations

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                remembered.append(self.headers["Authorization"])
                self.send_response(200)
                self.send_header("Content-Type", "application/fhir+json")
                self.send_header("Content-Length", str(len(CAPABILITIES)))
                self.end_headers()
                self.wfile.write(CAPABILITIES)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/fhir"


@pytest.fixture
def ehr(home: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ehr]:
    running = Ehr()
    thread = threading.Thread(target=running.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    monkeypatch.setenv("EPIKRISE_EHR__FHIR_URL", running.url)
    monkeypatch.setenv("EPIKRISE_EHR__TOKEN", TOKEN)
    yield running
    running.server.shutdown()
    thread.join()
    running.server.server_close()


def test_doctor_asks_the_ehr_with_the_token_and_does_not_show_it(epikrise: Operator, ehr: Ehr) -> None:
    answer = epikrise("doctor", "--json")

    assert {row["check"]: row["state"] for row in answer.data}["ehr"] == "ok"
    assert set(ehr.authorizations) == {f"Bearer {TOKEN}"}
    assert TOKEN not in answer.out + answer.err


def test_an_installation_asks_the_ehr_with_the_token(ehr: Ehr) -> None:
    installation = open_installation(load_settings(broker={"url": "redis://127.0.0.1:1/0"}))
    try:
        assert installation.ehr is not None
        installation.ehr.capabilities()
    finally:
        installation.close()

    assert ehr.authorizations == [f"Bearer {TOKEN}"]
