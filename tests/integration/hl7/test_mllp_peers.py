"""Our sender, somebody else's sender, and TLS, against the real listener."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hl7
import pytest
from certificates import Authority, an_authority
from hl7.client import MLLPClient
from hl7.mllp import open_hl7_connection
from mllp_peer import QUICK, RawPeer, Running, listening, message

from adapters.hl7.mllp_client import ClientTls, send
from adapters.hl7.mllp_server import server_ssl_context
from adapters.store import SqlStore
from service.errors import Unreachable, WrongSetting
from service.model import StoredMessage

Kept = Callable[[], list[StoredMessage]]


def sent(listener: Running, *bodies: bytes, **options: ClientTls | float | None) -> list[tuple[str, str, str]]:
    host, port = listener.address
    acks = send(bodies, host, port, **{"timeout": 5.0, **options})  # type: ignore[arg-type]
    return [(ack.control_id, ack.code, ack.error_code) for ack in acks]


# ---------------------------------------------------------------- somebody else's sender


def test_python_hl7s_blocking_client_is_acknowledged_message_by_message(listener: Running, kept: Kept) -> None:
    with MLLPClient(*listener.address) as client:
        answers = [hl7.parse(client.send_message(message(control_id=str(number)))) for number in range(3)]
    assert [(str(answer.segment("MSA")[1]), str(answer.segment("MSA")[2])) for answer in answers] == [
        ("AA", str(number)) for number in range(3)
    ]
    assert len(kept()) == 3


def test_python_hl7s_streaming_client_understands_a_refusal(listener: Running) -> None:
    async def ask() -> hl7.Message:
        reader, writer = await open_hl7_connection(*listener.address)
        writer.writemessage(hl7.parse(message("ADT^A99").decode()))
        await writer.drain()
        answer = await asyncio.wait_for(reader.readmessage(), 5)
        writer.close()
        return answer

    answer = asyncio.run(ask())
    assert (str(answer.segment("MSA")[1]), str(answer.segment("ERR")[3][0][0])) == ("AR", "201")


# ---------------------------------------------------------------- our sender


def test_our_sender_gets_each_acknowledgement_in_order(listener: Running, kept: Kept) -> None:
    results = sent(listener, message(control_id="1"), message("ADT^A99", control_id="2"), message(control_id="3"))
    assert results == [("1", "AA", ""), ("2", "AR", "201"), ("3", "AA", "")]
    assert [stored.state for stored in kept()] == ["stored", "refused", "stored"]


def test_our_sender_ends_segments_with_cr_whatever_the_file_has(listener: Running, kept: Kept) -> None:
    assert sent(listener, message().replace(b"\r", b"\r\n"))[0][1] == "AA"
    assert kept()[0].body == message()


def test_our_sender_does_not_wait_where_no_answer_is_due(listener: Running) -> None:
    assert sent(listener, message(accept="NE"), message(control_id="2"), timeout=30.0) == [
        ("M1", "", ""),
        ("2", "AA", ""),
    ]


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, int]]:
    """A listener that reads something, says ``answer`` and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield "127.0.0.1", server.getsockname()[1]
        thread.join(10)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"", "closed without an acknowledgement"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n\x0b", "not framed as MLLP"),
        (b"\x0bno message\x1c\r", "no acknowledgement"),
        (b"\x0bMSH|^~\\&|A|B|C|D|2026||ACK|1|P|2.5\r\x1c\r", "MSA-1"),
        (b"\x0bMSH|^~\\&|A|B|C|D|2026||ACK|1|P|2.5\rMSA|AA|OTHER\r\x1c\r", "MSA-2"),
    ],
)
def test_our_sender_takes_nothing_but_the_acknowledgement_of_what_it_sent(answer: bytes, told: str) -> None:
    with answering(answer) as (host, port), pytest.raises(Unreachable, match=told):
        list(send([message()], host, port, timeout=5.0))


def test_a_port_where_nobody_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port}"):
        list(send([message()], "127.0.0.1", port, timeout=5.0))


# ---------------------------------------------------------------- TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return an_authority(tmp_path)


@pytest.fixture
def secure(kept_store: SqlStore, authority: Authority) -> Iterator[Running]:
    certificate, key = authority.issue("listener")
    with listening(kept_store, tls=server_ssl_context(certificate, key)) as running:
        yield running


def test_over_tls_messages_are_kept_and_acknowledged(secure: Running, authority: Authority, kept: Kept) -> None:
    tls = ClientTls(ca=authority.certificate)
    assert sent(secure, message(control_id="1"), message(control_id="2"), tls=tls) == [("1", "AA", ""), ("2", "AA", "")]
    assert len(kept()) == 2


def test_a_listener_of_a_strange_authority_is_not_sent_anything(secure: Running, tmp_path: Path, kept: Kept) -> None:
    stranger = an_authority(tmp_path, "stranger")
    with pytest.raises(Unreachable, match=r"certificate.*--ca"):
        sent(secure, message(), tls=ClientTls(ca=stranger.certificate))
    with pytest.raises(Unreachable, match="certificate"):
        sent(secure, message(), tls=ClientTls())
    assert kept() == []


def test_a_certificate_for_another_name_is_refused(secure: Running, authority: Authority) -> None:
    with pytest.raises(Unreachable, match="certificate"):
        sent(secure, message(), tls=ClientTls(ca=authority.certificate, server_name="elsewhere.example"))
    assert sent(secure, message(), tls=ClientTls(ca=authority.certificate, server_name="listener"))[0][1] == "AA"


def test_a_plain_peer_at_a_tls_port_costs_nobody_else_anything(secure: Running, authority: Authority) -> None:
    plain = RawPeer(secure.address)
    plain.write(b"\x0bMSH|")
    plain.write(b"x" * 100)
    assert plain.is_closed()
    plain.close()
    assert sent(secure, message(), tls=ClientTls(ca=authority.certificate))[0][1] == "AA"


def test_tls_towards_a_plain_port_is_told_as_such(listener: Running) -> None:
    with pytest.raises(Unreachable, match="TLS"):
        sent(listener, message(), tls=ClientTls())


def test_where_the_listener_asks_a_sender_must_show_its_certificate(kept_store: SqlStore, authority: Authority) -> None:
    certificate, key = authority.issue("listener")
    context = server_ssl_context(certificate, key, client_ca=authority.certificate)
    with listening(kept_store, limits=QUICK, tls=context) as secure:
        with pytest.raises(Unreachable):
            sent(secure, message(), tls=ClientTls(ca=authority.certificate))
        ours, our_key = authority.issue("sender")
        tls = ClientTls(ca=authority.certificate, certificate=ours, key=our_key)
        assert sent(secure, message(), tls=tls)[0][1] == "AA"


def test_files_that_are_no_certificates_are_named(tmp_path: Path, authority: Authority) -> None:
    certificate, key = authority.issue("listener")
    with pytest.raises(WrongSetting, match=r"mllp\.certificate"):
        server_ssl_context(key, certificate)
    with pytest.raises(WrongSetting, match=r"mllp\.certificate"):
        server_ssl_context(tmp_path / "absent.pem", key)
    with pytest.raises(WrongSetting, match="TLS files"):
        list(send([message()], "127.0.0.1", 1, tls=ClientTls(ca=tmp_path / "absent.pem")))
