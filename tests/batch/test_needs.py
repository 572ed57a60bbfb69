"""Where tests may be skipped, and where what they need must be there."""

from __future__ import annotations

import os

import pytest
from batch import needs


@pytest.mark.parametrize(
    ("names", "root", "user", "ci", "ending"),
    [
        (["sh"], False, 1000, "", None),
        (["sh"], True, 0, "true", None),
        (["sh"], True, 1000, "", pytest.skip.Exception),
        (["sh"], True, 1000, "true", pytest.fail.Exception),
        (["sh", "no-such-program"], False, 1000, "", pytest.skip.Exception),
        (["sh", "no-such-program"], False, 1000, "true", pytest.fail.Exception),
        (["sh", "no-such-program"], False, 0, "", pytest.fail.Exception),
    ],
)
def test_nothing_is_skipped_in_ci_nor_for_root(
    names: list[str],
    root: bool,
    user: int,
    ci: str,
    ending: type[BaseException] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    if ending is None:
        needs.programs(*names, root=root)
        return
    with pytest.raises(ending, match="it takes root" if names == ["sh"] else "no-such-program missing"):
        needs.programs(*names, root=root)
