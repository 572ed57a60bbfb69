"""What of the user's a process has read is noted, and nothing of what is not the user's."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import io
import json
import os
import subprocess
import threading
from pathlib import Path
from types import ModuleType

import pytest

from wq_runner.fingerprint import identity
from wq_runner.fingerprint.late_reads import LateReads
from wq_runner.remote import belongings, contents, reads, variables
from wq_runner.remote.contents import code_hash, hash_of
from wq_runner.remote.reads import Recorder


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return reads.recorder  # as a hook stays for ever, there is one


@pytest.fixture(autouse=True)
def empty(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("built", "loaded", "late"):
        monkeypatch.setattr(recorder, name, reads._Noted())
    monkeypatch.setattr(recorder, "_now", recorder.built)
    monkeypatch.setattr(recorder, "_ignored", ())
    monkeypatch.setattr(recorder, "_own", set())


def noted(recorder: Recorder) -> set[str]:
    return {name.rpartition("/")[2] for name in recorder.built.values}


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("plugged", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_whatever_opens_a_file(here: Path, recorder: Recorder) -> None:
    for name in ("a.json", "b.txt", "c.bin", "d.dat", "e.txt"):
        Path(name).write_text("{}")
    Path("plugged.py").write_text("X = 1\n")
    load(here / "plugged.py")  # from the file that is compiled, from now on
    with recorder.building():
        json.loads(Path("a.json").read_text())
        os.close(os.open("b.txt", os.O_RDONLY))
        io.FileIO("c.bin").close()
        Path("out.txt").write_text("written")
        with pytest.raises(OSError, match=r"d\.dat"):
            ctypes.CDLL(str(here / "d.dat"))
        load(here / "plugged.py")
        assert Path("gone").exists() is False
    Path("e.txt").read_text()  # afterwards
    assert noted(recorder) == {"a.json", "b.txt", "c.bin", "d.dat", "plugged.py"}
    for name, value in recorder.built.values.items():
        assert value == hash_of(name)


def test_nothing_of_packages_and_of_the_system(recorder: Recorder) -> None:
    with recorder.building():
        Path(os.__file__).read_bytes()
        Path(pytest.__file__).read_bytes()
        Path("/proc/self/stat").read_bytes()
        Path(reads.__file__).read_bytes()
    assert recorder.built.values == {}


def ask(text: str, place: Path) -> None:
    """Run a line as the user's code."""
    (place / "asks.py").write_text(f"import os\n{text}\n")
    load(place / "asks.py")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("os.environ['WQ_A']", {"WQ_A"}),
        ("os.environ.get('WQ_B', '1'), 'WQ_C' in os.environ", {"WQ_B", "WQ_C"}),
        ("os.getenv('WQ_A')", {"WQ_A"}),
        ("os.path.expandvars('$WQ_A/x')", {"WQ_A"}),
        ("dict(os.environ), {**os.environ}, list(os.environ.items())", set()),
        ("import string; string.Template('$WQ_B').safe_substitute(os.environ)", {"WQ_B"}),
        ("import collections; collections.ChainMap({}, os.environ).get('WQ_B')", {"WQ_B"}),
        ("os.path.expanduser('~/x')", set()),
        ("import subprocess; subprocess.run(['true'], env=os.environ.copy())", set()),
    ],
)
def test_variables_that_the_users_code_reads(
    text: str, names: set[str], here: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WQ_A", "1")
    kind = type(os.environ)
    before = kind.__getitem__
    with recorder.building():
        ask(text, here)
        os.environ["WQ_A"]
    found = {one.removeprefix("variable ") for one in recorder.built.values if one.startswith("variable ")}
    assert found == names | {"WQ_A"}
    assert kind.__getitem__ is before
    assert hash_of("variable WQ_B") == contents.UNSET != hash_of("variable WQ_A")


def test_a_file_that_changes_while_a_task_runs_has_both_hashes(here: Path, recorder: Recorder) -> None:
    name = f"file {here}/sf.txt"

    def read(text: str) -> str:
        Path("sf.txt").write_text(text)
        value = hash_of(name)
        recorder._own.clear()  # another process wrote it
        Path("sf.txt").read_text()
        return value

    with recorder.task([]):
        first, second = read("1"), read("22")
    assert recorder.all() == {name: f"{first} {second}"}
    with recorder.task([]):
        third = read("333")
    assert recorder.all() == {name: third}  # another task


def test_what_a_task_wrote_itself_and_its_input_are_not_noted(here: Path, recorder: Recorder) -> None:
    Path("input.root").write_text("x")
    Path("sf.txt").write_text("1")
    (here / "sandbox").mkdir()
    (here / "sandbox" / "extra.txt").symlink_to(here / "sf.txt")
    with recorder.task([str(here / "input.root"), str(here / "sandbox")]):
        Path("input.root").read_text()
        Path("scratch.txt").write_text("mine")
        Path("scratch.txt").read_text()
        Path("sandbox/extra.txt").read_text()  # a link to what is not the task's
    assert set(recorder.all()) == {f"file {here}/sf.txt"}


def test_what_a_program_is_given(here: Path, recorder: Recorder) -> None:
    for name in ("a.txt", "b.txt", "c.txt"):
        (here / name).write_text("x")
    with recorder.building():
        subprocess.run(["cat", here / "a.txt"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(f"cat '{here}/b.txt' > /dev/null", shell=True, check=True)
        os.system(f"cat {here}/c.txt > /dev/null")
    assert {"a.txt", "b.txt", "c.txt"} == noted(recorder)


def test_what_a_program_is_given_elsewhere_and_within_words(here: Path, recorder: Recorder) -> None:
    (here / "data").mkdir()
    for name in ("a.txt", "b.txt", "c.txt", "d.txt"):
        (here / "data" / name).write_text("x")
    (here / "d.txt").write_text("another")
    with recorder.building():
        subprocess.run(["cat", "a.txt"], cwd=here / "data", check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["dd", f"if={here}/data/b.txt", "of=/dev/null", "status=none"], check=True)
        subprocess.run(f"cat <{here}/data/c.txt >/dev/null", shell=True, check=True)
        subprocess.run("cat d.txt", shell=True, check=True, cwd="data", stdout=subprocess.DEVNULL)
    assert {f"file {here}/data/{name}.txt" for name in "abcd"} == set(recorder.built.values)


def test_what_was_shipped_is_named_by_its_place_in_it(
    here: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a worker unpacked it, if in its own directory; by the link as well, that a task has."""
    there, task = here / "worker" / "overlay-1", here / "worker" / "t.1"
    for name in ("site/pkg/sf.json", "analysis/plugged.py", "files/extra.txt", "site/wq_runner/x.txt"):
        (there / name).parent.mkdir(parents=True)
        (there / name).write_text("X = 1\n")
    (there / ".ready").touch()
    task.mkdir()
    (task / "extra.txt").symlink_to(there / "files" / "extra.txt")
    (task / "mine.txt").touch()
    monkeypatch.setenv("PYTHONPATH", f"{there}/analysis:{there}/site")
    for one in (belongings._unpacked, belongings._is_installed, belongings._places):
        one.cache_clear()
        monkeypatch.setattr(belongings, one.__name__, one.__wrapped__)
    with recorder.task([str(here / "worker")]):
        load(there / "analysis" / "plugged.py")
        for name in ("site/pkg/sf.json", "site/wq_runner/x.txt"):
            (there / name).read_text()
        for name in ("extra.txt", "mine.txt"):
            (task / name).read_text()
    assert recorder.all() == {
        "code shipped:analysis/plugged.py": code_hash(b"X = 1\n"),
        "file shipped:site/pkg/sf.json": hash_of(f"file {there}/site/pkg/sf.json"),
        "file shipped:files/extra.txt": hash_of(f"file {there}/files/extra.txt"),
    }


def test_it_has_a_bound(here: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tasks read, as it travels; that there is more is known. What a processor is made of has none."""
    monkeypatch.setattr(recorder, "late", reads._Noted(most=3))
    for number in range(5):
        (here / f"{number}.txt").write_bytes(b"")
    for noting in (recorder.building(), recorder.task([])):
        recorder._own.clear()
        with noting:
            for number in range(5):
                (here / f"{number}.txt").read_bytes()
    files = [f"file {here}/{number}.txt" for number in range(5)]
    assert [*recorder.built.values] == files
    assert [*recorder.all()] == [*files[:3], f"file {contents.MORE}"]
    late = LateReads()
    late.take(recorder.all(), "host")
    assert identity.not_watched({}, late.unwatched) == [f"what tasks read, {contents.MORE}"]


def test_comments_do_not_count_and_docstrings_do() -> None:
    code = b"def f(x):\n    'Do it.'\n    return x + 1\n"
    assert code_hash(code) == code_hash(b"# why\n\n" + code.replace(b"x + 1", b"(x +  # one\n 1)"))
    assert code_hash(code) != code_hash(code.replace(b"Do", b"Undo"))
    assert code_hash(code) != code_hash(code.replace(b"1", b"2"))
    assert code_hash(b"def broken(:") != code_hash(b"def broken(::")


def test_a_large_file_is_known_by_parts(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "LARGE", 10)
    monkeypatch.setattr(contents, "_BLOCK", 100)
    Path("a.bin").write_bytes(bytes(3000))
    first = hash_of("file a.bin")
    Path("a.bin").write_bytes(bytes(2999) + b"x")
    assert hash_of("file a.bin") != first
    assert hash_of("file nowhere") == contents.GONE == hash_of("code nowhere")


def test_where_a_process_runs_decides_nothing() -> None:
    """Else a task on another host would be of another code."""
    told = (
        "HOSTNAME",
        "TMPDIR",
        "SLURM_JOB_ID",
        "_CONDOR_SCRATCH_DIR",
        "OMP_NUM_THREADS",
        "WORK_QUEUE_SANDBOX",
    )
    assert all(map(variables.is_of_system, told))
    assert not any(map(variables.is_of_system, ("ERA", "WORKING_POINT", "MY_HOME", "PYTHONHASHSEED")))


def test_other_threads_may_read_while_a_task_is_answered(recorder: Recorder) -> None:
    """Where chunks run in the manager, results are added up beside them."""
    ended = threading.Event()
    recorder.late.values.update({f"file {number}": "hash" for number in range(1000)})

    def read() -> None:
        while not ended.is_set():
            recorder.late.values["file of another thread"] = "hash"
            recorder.late.values.pop("file of another thread", None)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for _ in range(100):
            recorder.all()
            with recorder.task([]):
                pass
    finally:
        ended.set()
        thread.join()
