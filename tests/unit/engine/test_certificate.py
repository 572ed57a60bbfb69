"""The key of a queue with TLS, which is handled like a password."""

from __future__ import annotations

import os
import ssl

from wq_runner.engine import certificate


def test_nobody_else_reads_the_key_and_nothing_of_it_is_left() -> None:
    before = os.umask(0)
    try:
        key, made = certificate.make()
    finally:
        os.umask(before)
    assert [one.stat().st_mode & 0o777 for one in (key, made, key.parent)] == [0o600, 0o600, 0o700]
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(made, key)
    certificate.remove((key, made))
    assert not key.parent.exists()
    certificate.remove(None)


def test_no_two_queues_have_one_key() -> None:
    made = [certificate.make() for _ in range(2)]
    assert len({key.read_bytes() for key, _ in made}) == 2
    for one in made:
        certificate.remove(one)
