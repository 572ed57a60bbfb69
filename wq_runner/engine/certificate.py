"""What encrypts the talk with workers: a key and a certificate for one queue, made for as long as it lives.

The engine could make them itself, but leaves them behind where it is killed, and takes seconds for it.
Workers do not look whose certificate it is, so that it names nobody.
"""

from __future__ import annotations

import datetime
import os
import shutil
import tempfile
from pathlib import Path

from wq_runner.remote import leftovers

_DAYS = 365


def make() -> tuple[Path, Path]:
    """Make a key and its certificate, in a directory of theirs that only this user can enter."""
    return write(Path(tempfile.mkdtemp(prefix=leftovers.prefix("tls"))))


def remove(files: tuple[Path, Path] | None) -> None:
    """Remove what was made, with its directory."""
    if files is not None:
        shutil.rmtree(files[0].parent, ignore_errors=True)


def write(directory: Path) -> tuple[Path, Path]:
    """Write a key and its certificate, which only this user can read, and return where they are."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "wq-runner")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    return _private(directory / "key.pem", secret), _private(directory / "certificate.pem", public)


def _private(path: Path, content: bytes) -> Path:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor
        stream.write(content)
    return path
