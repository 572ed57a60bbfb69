"""The environments that `environments/setup.sh coffeas` makes."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import nanoaod
import pytest
from coffeas.others import OURS, VERSIONS, Other

HERE = Path(__file__).parent


@pytest.fixture(scope="session", params=VERSIONS)
def other(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Other:
    programs = Path(sys.executable).parent
    if request.param != OURS:
        programs = nanoaod.ROOT / ".coffeas" / request.param / "bin"
    if not (programs / "wq-run").exists():
        pytest.skip(f"no environment with coffea {request.param}: environments/setup.sh coffeas makes it")
    place = tmp_path_factory.mktemp("other")
    for name in ("muons.py", "reading.py"):
        shutil.copy(HERE / name, place)
    found = Other(bin=programs, place=place)
    made = found.run("python", "-c", "import pathlib, muons; muons.write(pathlib.Path())")
    assert made.code == 0, made.err
    files = {name: {"files": {f"{name}.root": "Events"}} for name in ("a", "b")}
    (place / "samples.json").write_text(json.dumps(files))
    return found
