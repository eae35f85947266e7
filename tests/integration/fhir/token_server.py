"""An authorization server for tests: it checks assertions with cryptography alone, and gives short-lived tokens."""

import base64
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature


@dataclass
class Authority:
    """What it knows and what it has seen. ``refuse`` is answered instead, once each: (status, body, headers)."""

    jwks: dict[str, Any]
    client_id: str
    base: str = ""
    lifetime: int = 300
    seen: set[str] = field(default_factory=set)
    given: list[str] = field(default_factory=list)
    alive: set[str] = field(default_factory=set)
    refuse: list[tuple[int, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def token_url(self) -> str:
        return f"{self.base}/token"

    def check(self, form: dict[str, str]) -> str:
        """An OAuth error code, or ``""``."""
        if form.get("grant_type") != "client_credentials":
            return "unsupported_grant_type"
        if form.get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
            return "invalid_request"
        if not form.get("scope"):
            return "invalid_scope"
        head, body, signature = form["client_assertion"].split(".")
        header, claims = json.loads(unb64(head)), json.loads(unb64(body))
        self.asked.append({**header, **claims, "scope": form["scope"]})
        key = next((each for each in self.jwks["keys"] if each["kid"] == header.get("kid")), None)
        if key is None or not is_signed(key, header["alg"], f"{head}.{body}".encode(), unb64(signature)):
            return "invalid_client"
        now = time.time()
        good = (
            claims["iss"] == claims["sub"] == self.client_id
            and claims["aud"] == self.token_url
            and now < claims["exp"] <= now + 300
            and claims["jti"] not in self.seen
        )
        self.seen.add(claims["jti"])
        return "" if good else "invalid_client"


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(text: str) -> int:
    return int.from_bytes(unb64(text), "big")


def is_signed(key: dict[str, Any], alg: str, signed: bytes, signature: bytes) -> bool:
    """RFC 7518, 3.3 (RS384) and 3.4 (ES384), from the public JWK alone."""
    assert "d" not in key, "a private key was published"
    try:
        if alg == "RS384":
            public = rsa.RSAPublicNumbers(number(key["e"]), number(key["n"])).public_key()
            public.verify(signature, signed, padding.PKCS1v15(), hashes.SHA384())
        elif alg == "ES384" and len(signature) == 96:
            point = ec.EllipticCurvePublicNumbers(number(key["x"]), number(key["y"]), ec.SECP384R1()).public_key()
            halves = (int.from_bytes(signature[:48], "big"), int.from_bytes(signature[48:], "big"))
            point.verify(encode_dss_signature(*halves), signed, ec.ECDSA(hashes.SHA384()))
        else:
            return False
    except InvalidSignature:
        return False
    return True


@contextlib.contextmanager
def running_authority(authority: Authority) -> Iterator[Authority]:
    """Also a FHIR server: ``/fhir/.well-known/smart-configuration``, ``/fhir/metadata`` and a POST, which need a token."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/fhir/.well-known/smart-configuration":
                assert "Authorization" not in self.headers
                told = {"token_endpoint": authority.token_url, "token_endpoint_auth_signing_alg_values_supported": ALGS}
                self.answer(200, told, {})
            else:
                self.fhir({"resourceType": "CapabilityStatement"}, 200)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != "/token":
                self.fhir(json.loads(body), 201)
                return
            if authority.refuse:
                self.answer(*authority.refuse.pop(0))
                return
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            if error := authority.check(form):
                self.answer(400, {"error": error, "error_description": "Beispiel-1961"}, {})
                return
            token = f"token-{len(authority.given) + 1}"
            authority.given.append(token)
            authority.alive.add(token)
            self.answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": authority.lifetime}, {})

        def fhir(self, body: dict[str, Any], status: int) -> None:
            scheme, _, token = self.headers.get("Authorization", "").partition(" ")
            if scheme != "Bearer" or token not in authority.alive:
                self.answer(401, {"resourceType": "OperationOutcome", "issue": [{"code": "login"}]}, {})
                return
            self.answer(status, {**body, "id": "1"}, {})

        def answer(self, status: int, body: dict[str, Any], headers: dict[str, str]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    authority.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield authority
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


ALGS = ["RS384", "ES384"]
