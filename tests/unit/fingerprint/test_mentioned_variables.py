"""Variables that may be read unseen are known by the names that stand in the text."""

from __future__ import annotations

from pathlib import Path

import pytest

from wq_runner.fingerprint import mentioned_variables

KNOWN = "the variable WQ_ERA, which the code names,"


def named(here: Path, *texts: str) -> set[str]:
    scripts = [here / f"{number}.py" for number in range(len(texts))]
    for script, text in zip(scripts, texts, strict=True):
        script.write_text(text, encoding="utf-8")
    return {*mentioned_variables.variables(scripts, {"variable WQ_SEEN"})}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WQ_ERA", "WQ_SEEN", "TERM", "LANG"):
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv("WQ_UNSET", raising=False)


@pytest.mark.parametrize(
    "text",
    [
        "import os\nera = os.environ.copy()['WQ_ERA']",
        "import os\nera = dict(os.environ)['WQ_ERA']",
        "from os import environ as where, environ\nera = '{WQ_ERA}'.format(**environ)",
        "import os\nera = {k: v for k, v in os.environ.items()}['WQ_ERA']",
        "import os\nos.system('echo $WQ_ERA >era')",
        "from subprocess import run\nrun('echo ${WQ_ERA}', shell=True)",
        "import ctypes\nctypes.CDLL(None).getenv(b'WQ_ERA')",
    ],
)
def test_a_variable_that_is_read_unseen(text: str, here: Path) -> None:
    assert named(here, text) == {KNOWN}
    assert named(here, "VALUE = 1", text) == {KNOWN}


@pytest.mark.parametrize(
    "text",
    [
        "import os\nera = os.environ.get('OTHER') or os.environ['X'] or 'Y' in os.environ; name = 'WQ_ERA'",
        "import os  # WQ_ERA\ndict(os.environ)",
        "import os\ndef f():\n    'Read WQ_ERA and $WQ_ERA.'\n    dict(os.environ)",
        "import os\ndict(os.environ)['WQ_UNSET'], ['TERM', 'LANG', 'WQ_SEEN']",
        "import subprocess\nsubprocess.run(['echo', 'of WQ_ERA'])",
        "broken(os.environ.copy 'WQ_ERA'",
    ],
)
def test_no_other(text: str, here: Path) -> None:
    assert named(here, text) == set()


def test_another_value_has_another_hash(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "a.py").write_text("import os\nera = dict(os.environ)['WQ_ERA']", encoding="utf-8")
    before = mentioned_variables.variables([here / "a.py"], ())
    monkeypatch.setenv("WQ_ERA", "2")
    assert {*before} == {KNOWN}
    assert mentioned_variables.variables([here / "a.py"], ()) != before
