"""Names of what a process can read, and hashes of what is in it.

A name is ``file PATH``, ``code PATH`` (of a Python source, of which comments do not count) or
``variable NAME``. Of what was shipped to a worker, the path is ``shipped:`` and that within what was shipped.
"""

from __future__ import annotations

import ast
import hashlib
import os
import stat
import warnings

FILE, CODE, VARIABLE = "file ", "code ", "variable "
SHIPPED = "shipped:"
GONE = "gone"
MORE = "and more of them than are noted"
UNSET = "unset"
LARGE = 256 << 20  # bytes; of larger files only parts are read
_SAMPLES = 64  # of these
_BLOCK = 1 << 20


def code_hash(content: bytes) -> str:
    """Return a hash of a Python source that does not know its comments, blank lines and layout."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = ast.dump(ast.parse(content)).encode("utf-8", "surrogatepass")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass  # it is what it is
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def file_hash(path: str) -> str:
    """Return a hash of what is in a file; of one that is very large, of parts of it, its size and time."""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - as fast as it is
            facts = os.fstat(stream.fileno())
            if not stat.S_ISREG(facts.st_mode):
                return GONE
            found = hashlib.blake2b(digest_size=8)
            if facts.st_size <= LARGE:
                while block := stream.read(_BLOCK):
                    found.update(block)
            else:
                found.update(f"{facts.st_size} {facts.st_mtime_ns}".encode())
                for number in range(_SAMPLES):
                    stream.seek(number * (facts.st_size - _BLOCK) // (_SAMPLES - 1))
                    found.update(stream.read(_BLOCK))
            return found.hexdigest()
    except OSError:
        return GONE


def hash_of(name: str) -> str:
    """Return the hash of what has a name, as it is now and here."""
    kind, _, rest = name.partition(" ")
    if kind == VARIABLE.strip():
        value = os.environ.get(rest)
        return UNSET if value is None else _short(value)
    return hash_at(rest, is_code=kind == CODE.strip())


def hash_at(path: str, *, is_code: bool) -> str:
    """Return the hash of a file; of a source, without its comments."""
    if not is_code:
        return file_hash(path)
    try:
        with open(path, "rb") as stream:  # noqa: PTH123
            return code_hash(stream.read())
    except OSError:
        return GONE


def _short(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
