"""Certificates of one's own making, as PEM files."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A certificate authority; ``certificate`` is the file to trust."""

    folder: Path
    name: x509.Name
    private_key: ec.EllipticCurvePrivateKey
    certificate: Path

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key for ``name``, which serves at 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternative = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))])
        built = _builder(_named(name), self.name, key.public_key(), is_authority=False)
        signed = built.add_extension(alternative, critical=False).sign(self.private_key, hashes.SHA256())
        return _write(self.folder / f"{name}.pem", signed), _write_key(self.folder / f"{name}.key", key)


def an_authority(folder: Path, name: str = "ca") -> Authority:
    key, own = ec.generate_private_key(ec.SECP256R1()), _named(name)
    signed = _builder(own, own, key.public_key(), is_authority=True).sign(key, hashes.SHA256())
    return Authority(folder=folder, name=own, private_key=key, certificate=_write(folder / f"{name}.pem", signed))


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, is_authority: bool
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )


def _write(path: Path, certificate: x509.Certificate) -> Path:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> Path:
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path
