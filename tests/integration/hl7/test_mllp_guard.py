"""Who may send, for how long, and how much: each limit with its clear refusal."""

import os
import resource
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from certificates import Authority, an_authority
from mllp_peer import QUICK, RawPeer, Running, framed, listening, message
from test_mllp_faults import FragileStore

from adapters.hl7.mllp_client import ClientTls, send
from adapters.hl7.mllp_server import server_ssl_context
from adapters.hl7.mllp_tls import ReloadingTls
from adapters.store import SqlStore
from service.errors import Unreachable
from service.model import StoredMessage

Kept = Callable[[], list[StoredMessage]]


def code(answer: dict[str, list[str]]) -> str:
    return answer["MSA"][1]


# ---------------------------------------------------------------- who


def test_a_peer_from_a_foreign_address_is_told_so_and_sent_away(kept_store: SqlStore, kept: Kept) -> None:
    with listening(kept_store, allow=["10.0.0.0/8", "192.0.2.7"]) as listener:
        peer = RawPeer(listener.address)
        answer = peer.answer()
        assert (code(answer), answer["MSA"][2]) == ("AR", "")
        assert "not allowed" in answer["ERR"][8]
        assert peer.is_closed()
        peer.close()
    assert kept() == []


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.0/8"])
def test_a_peer_from_an_allowed_network_may_send(allowed: str, kept_store: SqlStore) -> None:
    with listening(kept_store, allow=["10.0.0.0/8", allowed]) as listener:
        peer = RawPeer(listener.address)
        assert code(peer.ask(message())) == "AA"
        peer.close()


@pytest.mark.parametrize(("accept", "refusal"), [("", "AR"), ("AL", "CR")])
def test_a_foreign_sender_is_refused_by_its_name_and_its_message_kept(
    accept: str, refusal: str, kept_store: SqlStore, kept: Kept
) -> None:
    with listening(kept_store, senders=["LAB|KH"]) as listener:
        peer = RawPeer(listener.address)
        answer = peer.ask(message(accept=accept))
        assert (code(answer), answer["ERR"][2]) == (refusal, "MSH^1^3")
        assert code(peer.ask(message(control_id="2").replace(b"|KIS|KH|", b"|LAB|KH|"))) == "AA"
        peer.close()
    assert [(stored.state, stored.error_code) for stored in kept()] == [("refused", "103"), ("stored", None)]


# ---------------------------------------------------------------- how long, how much


def test_a_peer_that_trickles_its_message_loses_its_place_and_is_told(kept_store: SqlStore, kept: Kept) -> None:
    with listening(kept_store, limits=replace(QUICK, frame=0.3, idle=5.0)) as listener:
        peer, body = RawPeer(listener.address), framed(message(control_id="SLOW"))
        began = time.monotonic()
        for position in range(len(body)):
            peer.write(body[position : position + 1])
            if not peer.is_silent(0.05):
                break
        assert time.monotonic() - began < 3
        answer = peer.answer()
        assert answer["MSA"][1] == "AR"
        assert answer["MSA"][2] in ("", "SLOW")  # as much of MSH-10 as had come
        assert "too long" in answer["ERR"][8]
        peer.end()
        assert peer.is_closed()
        peer.close()
    assert [stored.error_code for stored in kept()] == ["too_slow"]


def test_an_idle_peer_is_let_go_without_a_word(kept_store: SqlStore) -> None:
    with listening(kept_store, limits=replace(QUICK, idle=0.2)) as listener:
        peer = RawPeer(listener.address)
        assert code(peer.ask(message())) == "AA"
        assert peer.is_closed()
        peer.close()


def test_what_is_sent_while_the_store_is_busy_waits_at_the_sender(kept_store: SqlStore, kept: Kept) -> None:
    """Back-pressure: a listener that read on would fill its memory."""
    fragile = FragileStore(kept_store)
    with listening(fragile) as listener:
        fragile.may_go_on.clear()
        sending = socket.create_connection(listener.address, timeout=10)
        sending.settimeout(0.5)
        frames = b"".join(framed(message(control_id=str(number))) for number in range(200))
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 200 * len(frames):
                sent += sending.send(frames[sent % len(frames) :])
        assert sent < 40 * 1024 * 1024  # what sockets and one chunk hold
        fragile.may_go_on.set()
        sending.settimeout(10)
        assert b"MSA|AA|0" in sending.recv(65536)
        sending.close()


def test_more_than_a_thousand_idle_peers_are_held_while_others_are_served(listener: Running) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096:  # both ends of each connection are files of this process
        if hard != resource.RLIM_INFINITY and hard < 4096:
            pytest.skip(f"only {hard} files may be open here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    idle = [socket.create_connection(listener.address, timeout=10) for _ in range(1100)]
    peer = RawPeer(listener.address)
    assert code(peer.ask(message())) == "AA"
    idle[0].sendall(framed(message(control_id="2")))
    assert b"MSA|AA|2" in idle[0].recv(65536)
    peer.close()
    for each in idle:
        each.close()


# ---------------------------------------------------------------- certificates


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return an_authority(tmp_path)


def serial(listener: Running, authority: Authority) -> int:
    """Of the certificate that a new connection is shown."""
    import ssl

    from cryptography import x509

    context = ssl.create_default_context(cafile=authority.certificate)
    with (
        socket.create_connection(listener.address, timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="listener") as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
        assert shown is not None
        assert secured.version() in ("TLSv1.2", "TLSv1.3")
        return x509.load_der_x509_certificate(shown).serial_number


def changed(path: Path) -> None:
    """The same second may hide a change; its stamp does not."""
    now = path.stat().st_mtime_ns + 1_000_000_000
    os.utime(path, ns=(now, now))


def test_a_new_certificate_is_shown_to_the_next_peer_and_costs_no_other_its_connection(
    kept_store: SqlStore, authority: Authority
) -> None:
    certificate, key = authority.issue("listener")
    with listening(kept_store, tls=ReloadingTls(certificate, key)) as listener:
        tls = ClientTls(ca=authority.certificate)
        held = send((message(control_id=str(number)) for number in range(2)), *listener.address, tls=tls, timeout=5.0)
        assert next(held).code == "AA"
        former = serial(listener, authority)
        authority.issue("listener")  # writes the same files anew
        changed(certificate)
        assert serial(listener, authority) != former
        assert next(held).code == "AA"
        assert list(held) == []


@pytest.mark.parametrize("broken", ["certificate", "key", "absent"])
def test_files_that_do_not_belong_together_leave_the_former_certificate_in_force(
    broken: str, kept_store: SqlStore, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = authority.issue("listener")
    with listening(kept_store, tls=ReloadingTls(certificate, key)) as listener:
        former = serial(listener, authority)
        if broken == "absent":
            key.unlink()
        else:
            (certificate if broken == "certificate" else key).write_text("no PEM")
        assert serial(listener, authority) == former
        (record,) = [record for record in caplog.records if record.msg == "mllp_certificate_not_taken"]
        assert vars(record)["error"] == "wrong_setting"
        authority.issue("listener")
        changed(certificate)
        assert serial(listener, authority) != former


def test_a_client_certificate_is_asked_for_by_the_new_authority_after_an_exchange(
    kept_store: SqlStore, authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.issue("listener")
    ca = tmp_path / "clients.pem"
    ca.write_bytes(authority.certificate.read_bytes())
    other = an_authority(tmp_path, "other")
    with listening(kept_store, tls=ReloadingTls(certificate, key, ca)) as listener:
        ours = ClientTls(ca=authority.certificate, certificate=certificate, key=key)
        assert [ack.code for ack in send([message()], *listener.address, tls=ours, timeout=5.0)] == ["AA"]
        ca.write_bytes(other.certificate.read_bytes())
        changed(ca)
        with pytest.raises(Unreachable):
            list(send([message()], *listener.address, tls=ours, timeout=5.0))


def test_tls_older_than_1_2_is_not_spoken(authority: Authority) -> None:
    import ssl

    assert server_ssl_context(*authority.issue("listener")).minimum_version is ssl.TLSVersion.TLSv1_2


def test_over_tls_too_a_frame_too_large_and_a_foreign_address_are_told(
    kept_store: SqlStore, authority: Authority
) -> None:
    tls = ClientTls(ca=authority.certificate)
    context = server_ssl_context(*authority.issue("listener"))
    with listening(kept_store, limits=replace(QUICK, max_message_bytes=1000), tls=context) as listener:
        large = message("ORU^R01", segments=("OBX|1|TX|a||" + "x" * 600_000,))
        bodies = [large, message(control_id="2")]
        assert [ack.code for ack in send(bodies, *listener.address, tls=tls, timeout=5.0)] == ["AR", "AA"]
    with listening(kept_store, allow=["10.0.0.0/8"], tls=context) as listener:
        (ack,) = send([message()], *listener.address, tls=tls, timeout=5.0)
        assert (ack.code, "not allowed" in ack.text) == ("AR", True)
