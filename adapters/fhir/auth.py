"""SMART Backend Services: a signed assertion for an access token (SMART App Launch 2.2, private_key_jwt).

The token endpoint is a host of its own. What fails there has not touched the FHIR server, so a write that
never had a token is no ambiguous write. Errors carry HTTP status and OAuth code, never a token or assertion.
"""

import logging
import re
import threading
import time
import uuid
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from adapters.fhir.client import failed_in_transit, retry_after
from service.errors import EhrRefused, EhrUnavailable, WrongSetting

log = logging.getLogger(__name__)

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 240
"""The standard allows 300 from the server's clock, which need not be ours."""
DEFAULT_LIFETIME = 300.0
"""Of a token that names none; SMART recommends no more."""
_OAUTH_CODE = re.compile(r"[a-z_]{1,40}\Z")
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}\Z")
_REMEDY = "Write an EC key of curve P-384 (ES384), or an RSA key of 2048 bits or more (RS384), as PEM or JWK."


@dataclass(frozen=True, kw_only=True)
class ClientKey:
    """A private key; ``kid`` is that of its JWK, else its thumbprint (RFC 7638)."""

    key: jwk.ECKey | jwk.RSAKey
    alg: str
    kid: str

    def public(self) -> dict[str, Any]:
        """The JWK that anyone may see."""
        return {
            **self.key.as_dict(private=False),
            "kid": self.kid,
            "alg": self.alg,
            "use": "sig",
            "key_ops": ["verify"],
        }


def load_client_keys(file: Path) -> tuple[ClientKey, ...]:
    """The private keys of a PEM, JWK or JWK Set file. The first signs; all are offered, so that keys can change.

    Raises:
        WrongSetting: the file cannot be read, or holds a key that SMART does not take; never its content.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise WrongSetting(f"ehr.client_key: {error.strerror}", remedy="Let this user read the file.") from None
    try:
        listed = _listed(content)
        return tuple(_client_key(each) for each in listed)
    except (JoseError, UnsupportedAlgorithm, ValueError, TypeError, KeyError):
        raise WrongSetting("ehr.client_key is no private key", remedy=_REMEDY) from None


def public_jwks(keys: Sequence[ClientKey]) -> dict[str, Any]:
    """The JWK Set (RFC 7517) that an authorization server checks our assertions with."""
    return {"keys": [each.public() for each in keys]}


def _listed(content: bytes) -> list[Any]:
    if content.lstrip()[:1] != b"{":
        return [jwk.import_key(content, _pem_type(content))]
    written = orjson.loads(content)
    keys = written.get("keys", [written])
    if not isinstance(keys, list) or not keys:
        raise ValueError("no keys")
    return [jwk.import_key(each) for each in keys]


def _pem_type(content: bytes) -> Any:
    """PEM says in its bytes, not always in its label, of what type the key is."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return "RSA" if isinstance(load_pem_private_key(content, None), RSAPrivateKey) else "EC"


def _client_key(key: Any) -> ClientKey:
    written = key.as_dict(private=True)
    if not key.is_private:
        raise WrongSetting("ehr.client_key holds a public key", remedy=_REMEDY)
    if isinstance(key, jwk.ECKey) and written.get("crv") == "P-384":
        alg = "ES384"
    elif isinstance(key, jwk.RSAKey) and key.private_key is not None and key.private_key.key_size >= 2048:
        alg = "RS384"
    else:
        raise WrongSetting("ehr.client_key is of a type that SMART does not take", remedy=_REMEDY)
    return ClientKey(key=key, alg=alg, kid=str(written.get("kid") or key.thumbprint()))


class BackendServices(httpx.Auth):
    """Gives each request an access token; asks for one where there is none, it ends soon, or was refused.

    Thread-safe: one thread asks, the others wait for what it gets. ``token_url`` None: the
    ``token_endpoint`` of ``base_url/.well-known/smart-configuration``. ``timeout`` is in seconds;
    ``verify`` and ``transport`` are httpx's.

    Requests raise EhrUnavailable (the authorization server does not answer now), EhrRefused (it refuses
    us), WrongSetting (it cannot be found, or does not take our kind of key).
    """

    def __init__(
        self,
        *,
        base_url: str,
        client_id: str,
        key: ClientKey,
        scope: str,
        token_url: str | None = None,
        timeout: float = 30.0,
        verify: Any = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._client_id = client_id
        self._key = key
        self._scope = scope
        self._configured = token_url
        self._discovered: str | None = None
        self._http: dict[str, Any] = {"timeout": timeout, "verify": verify, "transport": transport, "trust_env": False}
        self._lock = threading.Lock()
        self._token = ""
        self._good_until = 0.0

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """See httpx. A 401 is answered by one renewal: the server may have revoked the token, or restarted."""
        token = self.token()
        request.headers["Authorization"] = f"Bearer {token}"
        answer = yield request
        if answer.status_code == 401:
            request.headers["Authorization"] = f"Bearer {self.token(refused=token)}"
            yield request

    def token(self, *, refused: str = "") -> str:
        """One that is good for a while yet. ``refused``: one that the server no longer takes."""
        with self._lock:
            if not self._token or time.monotonic() >= self._good_until or self._token == refused:
                self._renew()
            return self._token

    def _renew(self) -> None:
        self._token = ""
        asked_at = time.monotonic()
        endpoint = self._endpoint()
        form = {
            "grant_type": "client_credentials",
            "scope": self._scope,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self._assertion(endpoint),
        }
        try:
            answer = self._ask("POST", endpoint, "token endpoint", data=form)
        except (EhrRefused, EhrUnavailable):
            self._discovered = None  # it may have moved
            raise
        token = answer.get("access_token")
        if (
            not isinstance(token, str)
            or not _TOKEN.match(token)
            or str(answer.get("token_type", "")).lower() != "bearer"
        ):
            raise EhrRefused("token endpoint: the answer holds no bearer token", status=200)
        lifetime = answer.get("expires_in", DEFAULT_LIFETIME)
        seconds = float(lifetime) if isinstance(lifetime, int | float) and lifetime > 0 else DEFAULT_LIFETIME
        self._token = token
        self._good_until = asked_at + seconds - min(30.0, seconds / 5)
        log.info("token_received", extra={"seconds": seconds})

    def _assertion(self, audience: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self._client_id,
            "sub": self._client_id,
            "aud": audience,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }
        header = {"alg": self._key.alg, "kid": self._key.kid}
        return jwt.encode(header, claims, self._key.key, algorithms=[self._key.alg])

    def _endpoint(self) -> str:
        if self._configured is not None:
            return self._configured
        if self._discovered is None:
            told = self._ask("GET", f"{self._base}/.well-known/smart-configuration", "smart-configuration")
            algorithms = told.get("token_endpoint_auth_signing_alg_values_supported")
            if isinstance(algorithms, list) and self._key.alg not in algorithms:
                raise WrongSetting(f"the EHR takes no {self._key.alg}", remedy="Give it a key of the other kind.")
            endpoint = told.get("token_endpoint")
            # an assertion must not leave an encrypted connection because a document says so
            schemes = ("https://",) if self._base.startswith("https://") else ("https://", "http://")
            if not isinstance(endpoint, str) or not endpoint.startswith(schemes):
                raise WrongSetting("smart-configuration names no token_endpoint", remedy="Set ehr.token_url.")
            self._discovered = endpoint
        return self._discovered

    def _ask(self, method: str, address: str, what: str, *, data: dict[str, str] | None = None) -> dict[str, Any]:
        try:
            with httpx.Client(**self._http, headers={"Accept": "application/json"}) as http:
                answer = http.request(method, address, data=data)
        except httpx.TransportError as error:
            # an assertion that arrived gives a token that nobody uses: nothing was stored
            raise failed_in_transit(error, what, writing=False) from None
        except (httpx.DecodingError, httpx.InvalidURL) as error:
            raise EhrUnavailable(f"{what}: {type(error).__name__}") from None
        try:
            told = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            told = None
        content = told if isinstance(told, dict) else {}
        if answer.is_success:
            return content
        code = content.get("error")
        named = f" ({code})" if isinstance(code, str) and _OAUTH_CODE.match(code) else ""
        detail = f"{what}: HTTP {answer.status_code}{named}"
        if answer.status_code in {408, 429} or answer.status_code >= 500:
            raise EhrUnavailable(detail, retry_after=retry_after(answer))
        remedy = "Set ehr.token_url." if what == "smart-configuration" else _CLIENT
        raise EhrRefused(detail, remedy=remedy, status=answer.status_code)


_CLIENT = "Check ehr.client_id, ehr.scope, and that the EHR knows our key (`epikrise config jwks`)."
