"""What the tests here need of a machine: where it can be had, it must be there."""

from __future__ import annotations

import os
import shutil

import pytest


def programs(*names: str, root: bool = False) -> None:
    """Go on if the programs are there; else skip, but not in CI, nor where `make setup` could install them.

    `root` is for what no other user can start.
    """
    path = f"{os.environ['PATH']}:/usr/sbin"
    missing = [name for name in names if shutil.which(name, path=path) is None]
    if not missing and not (root and os.geteuid() != 0):
        return
    text = f"{', '.join(missing)} missing: environments/setup.sh batch" if missing else "it takes root"
    (pytest.fail if os.environ.get("CI") or os.geteuid() == 0 else pytest.skip)(text)
