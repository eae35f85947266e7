"""A hospital of strangers: an authorization server, and a FHIR server that takes its tokens and nothing else."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from peer_programs import Server, running

from adapters.fhir.auth import BackendServices, load_client_keys, public_jwks
from service.config import Ehr as EhrSettings

SCOPE = EhrSettings().scope


def a_key(folder: Path, alg: str, name: str = "key") -> Path:
    key = ec.generate_private_key(ec.SECP384R1()) if alg == "ES384" else rsa.generate_private_key(65537, 2048)
    file = folder / f"{name}-{alg}.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


@dataclass(frozen=True, kw_only=True)
class Hospital:
    """An authorization server that knows the clients ``epikrise-RS384`` and ``epikrise-ES384``, and a FHIR
    server that takes its tokens and nothing else."""

    tokens: Server
    fhir: Server
    keys: dict[str, Path]

    @property
    def base(self) -> str:
        return f"{self.fhir.address}/fhir"

    def services(
        self, alg: str, *, key: Path | None = None, client_id: str = "", scope: str = SCOPE
    ) -> BackendServices:
        return BackendServices(
            base_url=self.base,
            client_id=client_id or f"epikrise-{alg}",
            key=load_client_keys(key or self.keys[alg])[0],
            scope=scope,
            timeout=10,
        )

    def granted(self, alg: str) -> int:
        return sum(line.startswith(f"grant.success epikrise-{alg}") for line in self.tokens.said())

    def takes(self, token: str) -> bool:
        answer = httpx.get(f"{self.base}/Patient", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
        return answer.status_code == 200


@contextlib.contextmanager
def hospital(folder: Path, *, lifetime: int) -> Iterator[Hospital]:
    """``lifetime`` of its tokens in seconds."""
    keys = {alg: a_key(folder, alg) for alg in ("RS384", "ES384")}
    clients = folder / "clients.json"
    known = [
        {"client_id": f"epikrise-{alg}", "alg": alg, "jwks": public_jwks(load_client_keys(file))}
        for alg, file in keys.items()
    ]
    clients.write_text(json.dumps(known))
    with (
        running("token_server.mjs", clients, str(lifetime)) as tokens,
        running("fhir_server.mjs", tokens.address) as fhir,
    ):
        yield Hospital(tokens=tokens, fhir=fhir, keys=keys)
