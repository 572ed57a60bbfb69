"""The ways to give workers their Python, from the command line; the packed one is a stand-in for speed.

Real environments are in `test_environment.py`.
"""

from __future__ import annotations

import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nanoaod
import pytest
import running
from repositories import Repository

PROCESSOR = """
import os, sys
import helper

def where(events):
    names = ("data.txt", "sub/more.txt")
    return {
        "value": {helper.VALUE},
        "helper": {helper.__file__},
        "files": {name: 1 for name in names if os.path.exists(name)},
        "entries": len(events),
        "marker": {os.environ.get("CONDA_PREFIX", "")},
    }
"""


@pytest.fixture
def analysis(tmp_path: Path) -> Repository:
    root = tmp_path / "analysis"
    root.mkdir()
    repo = Repository(root)
    repo.git("init", "-q")
    repo.write("where.py", PROCESSOR)
    repo.write("helper.py", "VALUE = 1\n")
    repo.write(".gitignore", "*.root\n")
    nanoaod.write_simple(root / "events.root", 2000)
    repo.commit()
    return repo


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """An environment whose Python is this one."""
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    path = tmp_path / "standin.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(program, "bin/python")
    return path


Run = Callable[..., running.Ended]


@pytest.fixture
def run(analysis: Repository, tmp_path: Path) -> Run:
    def call(*options: object, fresh: bool = True, **environ: str) -> running.Ended:
        return running.run(
            *("-p", "where.py:where", "--schema", "BaseSchema", "--workers", "local:1"),
            *(["--fresh"] if fresh else []),
            *("-o", tmp_path / "out", *options, "events.root"),
            cwd=analysis.root,
            XDG_CACHE_HOME=str(tmp_path / "cache"),
            **environ,
        )

    return call


def well(ended: running.Ended, tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    assert ended.code == 0, ended.out + ended.err
    return running.output(tmp_path / "out"), running.summary(tmp_path / "out")["environment_details"]


def test_auto_is_shared_for_workers_of_our_own(run: Run, tmp_path: Path) -> None:
    ended = run("--environment", "auto")
    _, details = well(ended, tmp_path)
    assert (details["mode"], details["reason"]) == ("shared", "the workers run on this machine")
    assert f"shared, {sys.executable}  (the workers run on this machine)" in " ".join(ended.out.split("\n"))


def test_shared_with_files_and_commands(run: Run, analysis: Repository, tmp_path: Path) -> None:
    analysis.write("data.txt", "")
    analysis.write("sub/more.txt", "")
    marks = tmp_path / "marks"
    output, _ = well(
        run(
            *("--environment", "shared", "--extra-file", "data.txt", "--extra-file", "sub/more.txt"),
            *("--setup-command", f"echo once >> {marks}", "--chunksize", 500),
        ),
        tmp_path,
    )
    assert output["files"] == {"data.txt": 4, "sub/more.txt": 4}
    assert marks.read_text() == "once\n"


def test_none_ships_the_code_only(run: Run, analysis: Repository, tmp_path: Path) -> None:
    analysis.write("helper.py", "VALUE = 'not committed'\n")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    output, details = well(run("--environment", "none", PATH=path), tmp_path)
    assert output["value"] == {"not committed"}
    assert str(analysis.root) not in "".join(output["helper"])
    assert (details["mode"], details["base"]) == ("none", "")
    assert details["overlay"]


def test_packed_runs_the_code_as_it_is(run: Run, analysis: Repository, packed: Path, tmp_path: Path) -> None:
    runs = []
    for value in ("first", "second", "first"):
        analysis.write("helper.py", f"VALUE = {value!r}\n")
        ended = run("--environment", packed)
        output, details = well(ended, tmp_path)
        assert output["value"] == {value}
        assert output["marker"] != {""}
        runs.append((ended, details))
        assert details["base"].startswith("standin-")
        (patch,) = (tmp_path / "out" / "code").glob("analysis-*.patch")
        assert f"+VALUE = '{value}'" in patch.read_text()
    ended, details = runs[-1]
    assert f"base {details['base']} (cached" in ended.out
    keys = [one["overlay"] for _, one in runs]
    shown = running.run(
        "show", keys[1], cwd=tmp_path, name="wq-env", XDG_CACHE_HOME=str(tmp_path / "cache")
    ).out
    assert analysis.git("rev-parse", "HEAD") in shown
    assert keys[0] != keys[1]


def test_what_tasks_read_of_what_was_shipped(
    run: Run, analysis: Repository, packed: Path, tmp_path: Path
) -> None:
    """It is known by the files that it was shipped from; all else of the overlay may change."""
    analysis.write(
        "read.py",
        "from pathlib import Path\nimport helper\n"
        "def total(events):\n    return {'total': int((Path(__file__).parent / 'sf.txt').read_text())}\n",
    )
    analysis.write("sf.txt", "1")
    analysis.write("extra.txt", "1")

    def total(edited: str, text: str) -> tuple[int, bool]:
        analysis.write(edited, text)
        given = ("-p", "read.py:total", "--environment", packed, "--chunksize", 1000)
        ended = run(*given, "--extra-file", "extra.txt", fresh=False)
        return well(ended, tmp_path)[0]["total"], "is there already" in " ".join(ended.out.split())

    assert total("sf.txt", "1") == (2, False)
    assert total("sf.txt", "10") == (20, False)
    assert total("helper.py", "VALUE = 1  # a comment\n") == (20, True)
    assert total("notes.txt", "nothing reads it") == (20, True)


def test_what_is_imported_from_anywhere_goes_with_it(
    run: Run, analysis: Repository, packed: Path, tmp_path: Path
) -> None:
    """From PYTHONPATH, and from a directory that the processor puts on its path; with the data it names."""
    library, common = Repository(tmp_path / "lib"), Repository(tmp_path / "common")
    library.write("elsewhere/__init__.py", "")
    library.write("elsewhere/deep/part.py", "VALUE = 'from elsewhere'\n")
    common.write(
        "shared.py", "from pathlib import Path\nVALUE = (Path(__file__).parent / 'v.json').read_text()\n"
    )
    common.write("v.json", "from common")
    analysis.write(
        "helper.py",
        f"import sys\nsys.path.insert(0, {str(common.root)!r})\nimport shared\n"
        "from elsewhere.deep import part\nVALUE = f'{part.VALUE} and {shared.VALUE}'\n"
        "__file__ = f'{part.__file__} {shared.__file__}'\n",
    )
    output, _ = well(run("--environment", packed, PYTHONPATH=str(library.root)), tmp_path)
    assert output["value"] == {"from elsewhere and from common"}


def test_what_would_fail_there_ends_with_4_before_any_worker(
    run: Run, analysis: Repository, packed: Path, tmp_path: Path
) -> None:
    """A module by its path here: the check reaches the file, and a worker does not."""
    module = Repository(tmp_path / "lib").write("elsewhere.py", "VALUE = 'from elsewhere'\n")
    by_path = (
        "import importlib.util as util, sys\n"
        f"spec = util.spec_from_file_location('by_path', {str(module)!r})\n"
        "sys.modules['by_path'] = found = util.module_from_spec(spec)\nspec.loader.exec_module(found)\n"
    )
    analysis.write("helper.py", f"{by_path}VALUE = found.VALUE\n")
    ended = run("--environment", packed)
    assert ended.code == 4
    assert f"were not taken from what is shipped\n  by_path: {module}" in ended.error
    assert not list((tmp_path / "out").glob("workers/local-*.log"))
    assert running.summary(tmp_path / "out")["exit_code"] == 4


def test_bits_that_flip_in_what_is_kept(run: Run, analysis: Repository, packed: Path, tmp_path: Path) -> None:
    """In archives, in records, in what is unpacked: named, made again, and nothing of it is left."""
    well(run("--environment", packed), tmp_path)
    store = tmp_path / "cache" / "wq-runner" / "environments"
    # 1 becomes 0 in an unpacked file, which then is as good Python as before
    places = (
        *("overlays/*/overlay.tar.gz", "overlays/*/manifest.json", "bases/*/manifest.json"),
        *("unpacked/*/analysis/helper.py", "unpacked/*/bin/python", "installed/*.json", "scripts/*.sh"),
    )
    for pattern in places:
        found = [path for path in store.glob(pattern) if not path.parents[1].is_symlink()]
        assert found or pattern.startswith("installed"), pattern
        for path in found:
            flip(path)
    ended = run("--environment", packed)
    output, _ = well(ended, tmp_path)
    assert output["value"] == {1}
    assert "is damaged, so it is made again" in " ".join(ended.out.split())
    output, _ = well(ended := run("--environment", packed), tmp_path)
    assert output["value"] == {1}
    assert "damaged" not in ended.out + ended.err
    # what somebody else packed cannot be made again
    flip(packed)
    ended = run("--environment", packed)
    assert (ended.code, "standin" in ended.error) == (4, True)


def flip(path: Path) -> None:
    facts, content = path.stat(), bytearray(path.read_bytes())
    content[-2 if path.suffix == ".py" else len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def test_a_setup_command_that_fails_is_reported(run: Run, packed: Path) -> None:
    ended = run("--environment", packed, "--setup-command", "echo no such mount; exit 3")
    assert ended.code not in {0, 3}
    assert "a setup command failed (exit code 3): no such mount" in ended.err


def test_another_version_there_is_a_clear_error(run: Run, tmp_path: Path) -> None:
    """The worker's own Python has an older coffea: said before the first task is done."""
    other = tmp_path / "other"
    (other / "coffea-0.7.21.dist-info").mkdir(parents=True)
    (other / "coffea-0.7.21.dist-info" / "METADATA").write_text("Name: coffea\nVersion: 0.7.21\n")
    program = tmp_path / "bin" / "python3"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={other}:$PYTHONPATH exec {sys.executable} "$@"\n')
    program.chmod(0o755)
    ended = run("--environment", "none", PATH=f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    assert ended.code not in {0, 3}
    assert "this worker has coffea 0.7.21 (manager: " in ended.err
    assert "both sides need the same" in ended.err


def test_standing_inside_one(run: Run, packed: Path, tmp_path: Path) -> None:
    _, details = well(run("--environment", packed), tmp_path)
    code = "import os, helper, wq_runner; print(os.getcwd(), helper.VALUE, os.environ['CONDA_PREFIX'])"
    ended = running.run(
        *("shell", details["base"], "--overlay", details["overlay"], "--", "python", "-c", code),
        cwd=tmp_path,
        name="wq-env",
        XDG_CACHE_HOME=str(tmp_path / "cache"),
    )
    where, value, prefix = ended.out.split()
    assert (where, value, Path(prefix).name) == (str(tmp_path), "1", details["base"])


def test_mistakes(run: Run) -> None:
    assert "no environment pakced. Did you mean packed?" in run("--environment", "pakced").error
    assert "missing.yml: no such file" in run("--environment", "missing.yml").error
    ended = run("--extra-file", "missing.txt")
    assert (ended.code, "missing.txt" in ended.error) == (2, True)
