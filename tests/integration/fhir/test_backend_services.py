"""SMART Backend Services, against a token server that checks each assertion."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from intake_service import running_service
from token_server import Authority, running_authority
from typer.testing import CliRunner

from adapters.fhir.auth import BackendServices, load_client_keys, public_jwks
from adapters.fhir.client import FhirClient
from service.cli.main import app
from service.errors import EhrRefused, EhrUnavailable, WrongSetting

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP384R1())


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, form, NoEncryption()))


def a_key_file(folder: Path, content: bytes) -> Path:
    file = folder / "client.key"
    file.write_bytes(content)
    return file


def as_jwk(folder: Path) -> bytes:
    """The EC key as a JWK with a kid of its own."""
    (key,) = load_client_keys(a_key_file(folder, pem(EC_KEY)))
    return json.dumps({**key.key.as_dict(private=True), "kid": "our-key-1"}).encode()


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    file = a_key_file(tmp_path, pem(EC_KEY))
    with running_authority(Authority(jwks=public_jwks(load_client_keys(file)), client_id="epikrise")) as running:
        yield running


def a_client(authority: Authority, tmp_path: Path, **wish: Any) -> FhirClient:
    auth = BackendServices(
        key=load_client_keys(tmp_path / "client.key")[0],
        **{
            "base_url": f"{authority.base}/fhir",
            "client_id": "epikrise",
            "scope": "system/*.rs",
            "timeout": 5.0,
            **wish,
        },
    )
    return FhirClient(f"{authority.base}/fhir", auth=auth, timeout=5)


@pytest.mark.parametrize("form", ["ec", "ec-sec1", "rsa", "rsa-pkcs1", "jwk", "jwks"])
def test_an_assertion_of_each_kind_of_key_is_taken(form: str, tmp_path: Path) -> None:
    content = {
        "ec": pem(EC_KEY),
        "ec-sec1": pem(EC_KEY, PrivateFormat.TraditionalOpenSSL),
        "rsa": pem(RSA_KEY),
        "rsa-pkcs1": pem(RSA_KEY, PrivateFormat.TraditionalOpenSSL),
        "jwk": as_jwk(tmp_path),
        "jwks": b'{"keys": [' + as_jwk(tmp_path) + b"]}",
    }[form]
    keys = load_client_keys(a_key_file(tmp_path, content))
    authority = Authority(jwks=public_jwks(keys), client_id="epikrise")
    with running_authority(authority), a_client(authority, tmp_path) as client:
        client.capabilities()
    (asked,) = authority.asked
    assert asked["alg"] == ("RS384" if form.startswith("rsa") else "ES384")
    assert (asked["scope"], asked["exp"] - asked["iat"] <= 300) == ("system/*.rs", True)
    if form.startswith("jwk"):
        assert asked["kid"] == "our-key-1"


def test_a_token_is_kept_until_shortly_before_it_ends(authority: Authority, tmp_path: Path) -> None:
    with a_client(authority, tmp_path) as client:
        for _ in range(3):
            client.capabilities()
    assert authority.given == ["token-1"]


def test_a_token_that_ends_soon_is_renewed_with_another_jti(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [1000.0]
    monkeypatch.setattr("adapters.fhir.auth.time.monotonic", lambda: moment[0])
    with a_client(authority, tmp_path) as client:
        client.capabilities()
        moment[0] += 269
        client.capabilities()
        assert authority.given == ["token-1"]
        moment[0] += 2
        client.capabilities()
    assert authority.given == ["token-1", "token-2"]
    assert len({each["jti"] for each in authority.asked}) == 2


def test_a_refused_token_is_renewed_once_and_the_write_sent_again(authority: Authority, tmp_path: Path) -> None:
    with a_client(authority, tmp_path) as client:
        client.capabilities()
        authority.alive.clear()
        assert client.create({"resourceType": "Task"}).reference == "Task/1"
    assert authority.given == ["token-1", "token-2"]


def test_a_server_that_takes_no_token_at_all_ends_the_attempts(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authority, "alive", Nothing())
    with a_client(authority, tmp_path) as client, pytest.raises(EhrRefused, match="HTTP 401"):
        client.capabilities()
    assert authority.given == ["token-1", "token-2"]


class Nothing(set[str]):
    """Keeps nothing."""

    def add(self, _: str) -> None:
        pass


def test_threads_share_one_token(authority: Authority, tmp_path: Path) -> None:
    with a_client(authority, tmp_path) as client:
        threads = [threading.Thread(target=client.capabilities) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert authority.given == ["token-1"]


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        ((400, {"error": "invalid_scope", "error_description": "Beispiel-1961"}, {}), EhrRefused, "invalid_scope"),
        ((401, {"error": "no code <script>"}, {}), EhrRefused, "HTTP 401"),
        ((503, {}, {"Retry-After": "9"}), EhrUnavailable, "HTTP 503"),
        ((500, {}, {}), EhrUnavailable, "HTTP 500"),
        ((200, {"token_type": "bearer"}, {}), EhrRefused, "no bearer token"),
        ((200, {"access_token": "a\r\nb", "token_type": "bearer"}, {}), EhrRefused, "no bearer token"),
        ((200, {"access_token": "a", "token_type": "mac"}, {}), EhrRefused, "no bearer token"),
    ],
)
def test_a_refusal_is_told_by_its_code_and_leaves_a_write_undone_not_doubtful(
    answer: tuple[int, dict[str, Any], dict[str, str]],
    error: type[Exception],
    text: str,
    authority: Authority,
    tmp_path: Path,
) -> None:
    authority.refuse.append(answer)
    with a_client(authority, tmp_path) as client, pytest.raises(error) as caught:
        client.create({"resourceType": "Task"})
    assert text in str(caught.value)
    assert "Beispiel" not in str(caught.value)
    if isinstance(caught.value, EhrUnavailable):
        assert caught.value.retry_after == (9.0 if text == "HTTP 503" else None)


def test_another_client_is_refused_and_told_what_to_look_at(authority: Authority, tmp_path: Path) -> None:
    refused = pytest.raises(EhrRefused, match=r"invalid_client.*epikrise config jwks")
    with a_client(authority, tmp_path, client_id="somebody") as client, refused:
        client.capabilities()


def test_a_key_that_the_server_does_not_know_is_refused_whatever_its_id(authority: Authority, tmp_path: Path) -> None:
    a_key_file(tmp_path, pem(ec.generate_private_key(ec.SECP384R1())))
    authority.jwks["keys"][0]["kid"] = load_client_keys(tmp_path / "client.key")[0].kid
    with a_client(authority, tmp_path) as client, pytest.raises(EhrRefused, match="invalid_client"):
        client.capabilities()


def test_a_configured_token_endpoint_needs_no_discovery(authority: Authority, tmp_path: Path) -> None:
    with a_client(authority, tmp_path, token_url=authority.token_url, base_url="http://nowhere.invalid") as client:
        client.capabilities()
    refused = pytest.raises(EhrRefused, match=r"smart-configuration: HTTP 401.*ehr.token_url")
    with a_client(authority, tmp_path, base_url=f"{authority.base}/other") as client, refused:
        client.capabilities()


def test_a_key_that_the_server_does_not_take_is_a_wrong_setting(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("token_server.ALGS", ["RS384"])
    with a_client(authority, tmp_path) as client, pytest.raises(WrongSetting, match="ES384"):
        client.capabilities()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no key",
        b"{}",
        b'{"keys": []}',
        b'{"kty": "oct", "k": "c2VjcmV0"}',
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505 - refused for it
        EC_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ],
)
def test_a_file_without_a_fit_private_key_is_a_wrong_setting(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match=r"ehr\.client_key.*P-384") as caught:
        load_client_keys(a_key_file(tmp_path, content))
    assert "c2VjcmV0" not in str(caught.value)


def test_the_public_keys_are_offered_over_http_and_nothing_where_there_are_none(tmp_path: Path) -> None:
    key = {"client_id": "epikrise", "client_key": a_key_file(tmp_path, as_jwk(tmp_path))}
    with running_service(tmp_path / "with", "http://127.0.0.1:9/fhir", **key) as service:
        (offered,) = service.http.get("/fhir/jwks.json").json()["keys"]
    assert (offered["kid"], "d" in offered) == ("our-key-1", False)
    with running_service(tmp_path / "without", "http://127.0.0.1:9/fhir") as service:
        assert service.http.get("/fhir/jwks.json").status_code == 404


def test_the_public_keys_are_printed_for_registration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPIKRISE_HOME", str(tmp_path))
    monkeypatch.setenv("EPIKRISE_EHR__CLIENT_ID", "epikrise")
    monkeypatch.setenv("EPIKRISE_EHR__CLIENT_KEY", str(a_key_file(tmp_path, as_jwk(tmp_path))))
    shown = CliRunner().invoke(app, ["config", "jwks"])
    (key,) = json.loads(shown.stdout)["keys"]
    assert (key["kid"], key["alg"], key["use"], key["kty"]) == ("our-key-1", "ES384", "sig", "EC")
    assert "d" not in key
