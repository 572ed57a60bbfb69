"""Certificates that nobody signed but their own key, for as long as a test needs them."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def text(seconds: float, name: str = "me") -> str:
    """Return a proxy as it stands in a file: a certificate that expires in so many seconds, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - datetime.timedelta(days=2))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode() + secret.decode()


def write(path: Path, seconds: float, *more: float) -> str:
    """Write a proxy in one step, and return its text; `more` are those that vouch for it."""
    content = "".join(text(one) for one in (seconds, *more))
    temporary = path.with_name(f".{path.name}")
    temporary.touch(0o600)
    temporary.write_text(content)
    temporary.replace(path)
    return content
