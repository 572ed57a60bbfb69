"""Errors of a Runner: ours, and of the type that coffea's users catch."""

from __future__ import annotations

import pytest
import uproot

from wq_runner.coffea_adapter.executor import as_coffeas
from wq_runner.errors import InputError, ProcessorError, WqRunnerError


class PeculiarError(Exception):
    __slots__ = ("a", "b")

    def __new__(cls, a: int, b: int) -> PeculiarError:
        return super().__new__(cls, a, b)


@pytest.mark.parametrize(
    "cause",
    [
        FileNotFoundError(2, "No such file or directory", "/data/gone.root"),
        OSError("XRootD error"),
        KeyError("Events"),
        uproot.KeyInFileError("Events", because="gone", file_path="/data/a.root"),
        UnicodeDecodeError("utf-8", b"x", 0, 1, "no"),
        ValueError("no"),
    ],
    ids=lambda cause: type(cause).__name__,
)
def test_it_is_both(cause: Exception) -> None:
    error = InputError("a.root cannot be read", hint="mend it")
    error.__cause__ = cause
    found = as_coffeas(error)
    assert isinstance(found, InputError)
    assert isinstance(found, type(cause))
    assert str(found) == "a.root cannot be read\nmend it"
    assert (found.exit_code, found.page) == (2, "input-files")
    if isinstance(cause, OSError):
        assert (found.errno, found.filename) == (cause.errno, cause.filename)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "cause", [None, Exception("Failed processing file"), PeculiarError(1, 2), RuntimeError()]
)
def test_what_cannot_be_mixed_or_need_not_stays_ours(cause: Exception | None) -> None:
    error: WqRunnerError = ProcessorError("it failed")
    error.__cause__ = cause
    found = as_coffeas(error)
    assert isinstance(found, ProcessorError)
    assert str(found) == "it failed"
