"""The script that stands for `python` on a worker, run by each shell that is here; the base is a stand-in."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from wq_runner.environment import seals
from wq_runner.environment.launch import BROKEN, Launch, script

SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]
HEAD = """\
#!/bin/sh
kind=packed
base=py311-3f9c1a
base_archive=base.tar.gz
base_sum='4038471504 75'
overlay=8be21f4
overlay_sum=''
python=python3
hint=' (a base Python is missing)'
cache=''
setup_key=KEY
setup_commands() {
    { module load x
} || return
}
link_shared() {
    link sf.json '/data/my sf.json'
}
"""
BASE = Launch(kind="packed", base="key", base_archive="base.tar.gz")


def test_the_head_of_the_script() -> None:
    """If this is meant to change, copy what is printed here."""
    text = script(
        Launch(
            kind="packed",
            base="py311-3f9c1a",
            base_archive="base.tar.gz",
            base_sum="4038471504 75",
            overlay="8be21f4",
            hint=" (a base Python is missing)",
            setup_commands=["module load x"],
            links=[("sf.json", Path("/data/my sf.json"))],
        )
    )
    head = text[: text.index("\n# Stands for")]
    key = f"setup_key={hashlib.sha256(b'module load x').hexdigest()[:12]}"
    assert head.splitlines() == HEAD.replace("setup_key=KEY", key).splitlines()


Run = Callable[..., subprocess.CompletedProcess[str]]


def archive(path: Path, files: dict[str, str], staging: Path) -> Path:
    for name, text in files.items():
        file = staging / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
    with tarfile.open(path, "w:gz") as tar:
        for child in sorted(staging.iterdir()):
            tar.add(child, child.name)
    return path


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """An environment whose python is ours; conda-unpack counts how often it ran."""
    files = {
        "bin/python": f'#!/bin/sh\nexec {sys.executable} "$@"\n',
        "bin/conda-unpack": f"open({str(tmp_path / 'unpacked')!r}, 'a').write('once\\n')\n",
        "etc/conda/activate.d/one.sh": "export FROM_ACTIVATION=yes\n",
        "etc/conda/activate.d/two.sh": "[[ -n bash ]] && function f { :; }; if broken\n",
        "lib/module.py": "VALUE = 1\n",
    }
    return archive(tmp_path / "base.tar.gz", files, tmp_path / "staged-base")


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    files = {
        "site/pkg/__init__.py": "VALUE = 'overlay'\n",
        "analysis/mine.py": "VALUE = 'analysis'\n",
        "files/data.txt": "data",
        "files/sub/more.txt": "more",
        "files/extra_module.py": "VALUE = 'extra'\n",
    }
    return archive(tmp_path / "overlay.tar.gz", files, tmp_path / "staged-overlay")


@pytest.fixture(params=SHELLS)
def run(request: pytest.FixtureRequest, tmp_path: Path, base: Path, overlay: Path) -> Run:
    """Run the script as a task with this number does."""
    shell = {"busybox": ["busybox", "sh"]}.get(request.param, [request.param])

    def run_(
        launch: Launch, code: str = "", *, task: str = "t.1", worker: str = "worker-1", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        directory = tmp_path / "workdir" / worker / task
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "environment.sh").write_text(script(launch))
        for file in (base, overlay):
            if not (directory / file.name).exists():
                (directory / file.name).symlink_to(file)
        program = shutil.which(shell[0])
        assert program
        return subprocess.run(
            [program, *shell[1:], "environment.sh", "-c", code],
            cwd=directory,
            env={"WORK_QUEUE_SANDBOX": str(directory.parent), "HOME": "/nonexistent", **environ},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    return run_


def place(tmp_path: Path) -> Path:
    return tmp_path / "workdir" / f"wq-runner-{os.getuid()}"


def test_unpacked_once_under_its_key(run: Run, tmp_path: Path) -> None:
    for worker in ("worker-1", "worker-2"):
        for task in ("t.1", "t.2"):
            done = run(BASE, "import os; print(os.environ['CONDA_PREFIX'])", worker=worker, task=task)
            assert (done.returncode, done.stdout) == (0, f"{place(tmp_path) / 'key'}\n"), done
    assert (tmp_path / "unpacked").read_text() == "once\n"
    assert place(tmp_path).stat().st_mode & 0o777 == 0o700


def test_what_the_host_has_does_not_leak_in(run: Run, tmp_path: Path) -> None:
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison/sitecustomize.py").write_text("raise SystemExit(3)")
    leaks = ("PYTHON", "CONDA", "LD_", "VIRT")
    code = f"import os; print(sorted(name for name in os.environ if name.startswith({leaks})))"
    done = run(
        BASE,
        code,
        PYTHONPATH=str(tmp_path / "poison"),
        PYTHONHOME="/nonexistent",
        PYTHONSTARTUP="x",
        PYTHONUSERBASE="x",
        CONDA_PREFIX="/other",
        CONDA_SHLVL="2",
        VIRTUAL_ENV="/other",
        LD_LIBRARY_PATH="/other",
        PATH="",
    )
    assert done.stdout == "['CONDA_PREFIX', 'PYTHONNOUSERSITE']\n", done
    assert run(BASE, "import os; print(os.environ['FROM_ACTIVATION'])").stdout == "yes\n"


def test_the_overlay_comes_first(run: Run, tmp_path: Path) -> None:
    launch = replace(BASE, overlay="code")
    code = (
        "import pkg, mine, extra_module, coffea\n"
        "print(pkg.VALUE, mine.VALUE, extra_module.VALUE)\n"
        "print(open('data.txt').read(), open('sub/more.txt').read())\n"
    )
    for task in ("t.1", "t.2"):
        assert run(launch, code, task=task).stdout == "overlay analysis extra\ndata more\n"
    # what the task itself has is its own
    own = tmp_path / "workdir/worker-1/t.3"
    own.mkdir()
    (own / "data.txt").write_text("own")
    assert "own" in run(launch, code, task="t.3").stdout


@pytest.mark.parametrize("damage", ["interrupted", "half deleted", "mark lost", "link lost"])
def test_damage_is_repaired(run: Run, tmp_path: Path, damage: str) -> None:
    target = place(tmp_path) / "key"
    if damage == "interrupted":
        half = place(tmp_path) / "key.Ab12Cd"
        (half / "bin").mkdir(parents=True)
        place(tmp_path).chmod(0o700)
    else:
        assert run(BASE).returncode == 0
        if damage == "half deleted":
            (target / "lib/module.py").unlink()
        elif damage == "mark lost":
            (target / ".ready").unlink()
        else:
            target.unlink()
    done = run(BASE, "print('fine')", worker="worker-2")
    assert done.stdout == "fine\n", done
    assert (target / "lib/module.py").exists()
    directories = [path for path in place(tmp_path).iterdir() if path.is_dir() and not path.is_symlink()]
    assert len(directories) == 1


def test_without_flock(run: Run, tmp_path: Path) -> None:
    """A worker without util-linux still unpacks, and a lock that a dead process left is no obstacle."""
    tools = tmp_path / "tools"
    tools.mkdir()
    names = "sh tar gzip mkdir rm ln cat mktemp find wc tail tr sed env id uname dirname chmod sleep"
    for name in names.split():
        found = shutil.which(name)
        if found:
            (tools / name).symlink_to(found)
    launch = replace(BASE, overlay="code")
    text = script(launch).replace("/usr/bin:/bin:/usr/local/bin", str(tools))
    assert "flock" in text
    lock = place(tmp_path) / "key.lock.d"
    lock.mkdir(parents=True)
    place(tmp_path).chmod(0o700)
    (lock / "owner").write_text("4194304999")  # no process has this id
    directory = tmp_path / "workdir/worker-1/t.1"
    directory.mkdir(parents=True)
    for name in ("base.tar.gz", "overlay.tar.gz"):
        (directory / name).symlink_to(tmp_path / name)
    (directory / "environment.sh").write_text(text)
    done = subprocess.run(
        [str(tools / "sh"), "environment.sh", "-c", "import pkg; print(pkg.VALUE)"],
        cwd=directory, env={"WORK_QUEUE_SANDBOX": str(directory.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "overlay\n", done
    assert not lock.exists()


def test_a_directory_that_is_not_ours_is_not_used(run: Run, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give directories away")
    place(tmp_path).mkdir(parents=True)
    os.chown(place(tmp_path), 12345, 12345)
    done = run(BASE, "import os; print(os.environ['CONDA_PREFIX'])")
    assert done.stdout == f"{tmp_path}/workdir/worker-1/wq-runner/key\n"


def test_a_named_place(run: Run, tmp_path: Path) -> None:
    code = "import os; print(os.environ['CONDA_PREFIX'])"
    assert run(replace(BASE, cache=str(tmp_path / "mine")), code).stdout == f"{tmp_path}/mine/key\n"
    done = run(BASE, code, worker="worker-2", WQ_WORKER_CACHE=str(tmp_path / "scratch"))
    assert done.stdout == f"{tmp_path}/scratch/key\n"


def test_a_broken_archive_is_the_workers_fault(run: Run, tmp_path: Path, base: Path) -> None:
    base.write_bytes(base.read_bytes()[:200])
    done = run(BASE)
    assert done.returncode == BROKEN
    assert "key cannot be unpacked" in done.stdout
    assert "unexpected e" in done.stdout.lower().replace("short read", "unexpected end")
    assert list(place(tmp_path).iterdir()) == [place(tmp_path) / "key.lock"]


def test_an_archive_that_arrived_damaged_is_not_unpacked(run: Run, tmp_path: Path, base: Path) -> None:
    """One that was stored uncompressed would be unpacked, and run."""
    launch = replace(BASE, base_sum=seals.worker_sum(base))
    whole = base.read_bytes()
    base.write_bytes(whole[:99] + bytes([whole[99] ^ 1]) + whole[100:])
    done = run(launch)
    assert done.returncode == BROKEN
    assert f"base.tar.gz is damaged: its checksum and size are {seals.worker_sum(base)}" in done.stdout
    base.write_bytes(whole)
    assert run(launch).returncode == 0


@pytest.mark.parametrize("where", ["lib/module.py", "bin/conda-unpack", ".sums"])
def test_a_flipped_bit_is_unpacked_anew(run: Run, tmp_path: Path, where: str) -> None:
    """In what an earlier worker unpacked: neither size nor time tells."""
    assert run(BASE).returncode == 0
    target = place(tmp_path) / "key"
    was = (target / "lib/module.py").read_bytes()
    flip(target / where)
    assert run(BASE, worker="worker-2").returncode == 0
    assert (target / "lib/module.py").read_bytes() == was
    assert (tmp_path / "unpacked").read_text() == "once\n" * 2
    # and is whole for the next
    assert run(BASE, worker="worker-3").returncode == 0
    assert (tmp_path / "unpacked").read_text() == "once\n" * 2


def test_what_python_compiled_is_compiled_again(run: Run, tmp_path: Path) -> None:
    launch = replace(BASE, overlay="code")
    code = "import pkg; print(pkg.VALUE)"
    for worker in ("worker-1", "worker-2"):
        assert run(launch, code, worker=worker).stdout == "overlay\n"
    target = place(tmp_path) / "code"
    (compiled,) = target.glob("site/pkg/__pycache__/*.pyc")
    assert compiled.name in (target / ".sums").read_text()
    content = compiled.read_bytes()
    compiled.write_bytes(content.replace(b"overlay", b"ovfrlay"))
    for worker in ("worker-3", "worker-4"):
        assert run(launch, code, worker=worker).stdout == "overlay\n"
    assert compiled.name in (target / ".sums").read_text()


def flip(path: Path) -> None:
    facts, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def test_a_virtual_environment_without_its_python(run: Run, tmp_path: Path, base: Path) -> None:
    with tarfile.open(base, "w:gz") as tar:
        link = tarfile.TarInfo("bin/python")
        link.type, link.linkname = tarfile.SYMTYPE, "/nonexistent/python3"
        tar.addfile(link)
    done = run(replace(BASE, hint=" (workers need /nonexistent/python3)"))
    assert done.returncode == BROKEN
    assert done.stdout.rstrip().endswith("bin/python cannot be run (workers need /nonexistent/python3)")


def test_setup_commands_run_once_per_worker(run: Run, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    launch = replace(BASE, setup_commands=[f"echo first >> {marks}", f"echo $CONDA_PREFIX >> {marks}"])
    for worker in ("worker-1", "worker-2"):
        for task in ("t.1", "t.2"):
            assert run(launch, worker=worker, task=task).returncode == 0
    assert marks.read_text() == f"first\n{place(tmp_path) / 'key'}\n" * 2


def test_what_setup_commands_change_is_no_damage(run: Run, tmp_path: Path) -> None:
    launch = replace(BASE, setup_commands=["echo 'VALUE = 2' >$CONDA_PREFIX/lib/module.py"])
    for worker in ("worker-1", "worker-2"):
        assert run(launch, worker=worker).returncode == 0
    assert (tmp_path / "unpacked").read_text() == "once\n"


def test_a_setup_command_that_fails(run: Run, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    launch = replace(BASE, setup_commands=["echo no mount; exit 3", f"touch {marks}"])
    for task in ("t.1", "t.2"):
        done = run(launch, task=task)
        assert done.returncode == BROKEN
        assert "a setup command failed (exit code 3): no mount" in done.stdout
    assert not marks.exists()


def test_python_of_the_worker(run: Run, tmp_path: Path) -> None:
    launch = Launch(kind="none", overlay="code", python=sys.executable)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/of_the_host.py").write_text("VALUE = 'host'\n")
    done = run(
        launch,
        "import pkg, of_the_host; print(pkg.VALUE, of_the_host.VALUE)",
        PYTHONPATH=str(tmp_path / "lib"),
    )
    assert done.stdout == "overlay host\n", done
    done = run(replace(launch, python="no-such-python"), PATH="/nonexistent")
    assert (done.returncode, "there is no no-such-python on this worker" in done.stdout) == (BROKEN, True)


def test_links_on_a_shared_file_system(run: Run, tmp_path: Path) -> None:
    (tmp_path / "my data.txt").write_text("shared")
    links = [("my data.txt", tmp_path / "my data.txt"), ("sub/x.txt", tmp_path / "my data.txt")]
    launch = Launch(kind="shared", python=sys.executable, links=links)
    done = run(launch, "print(open('my data.txt').read(), open('sub/x.txt').read())")
    assert done.stdout == "shared shared\n", done


def test_code_of_the_task_passes_through(run: Run) -> None:
    assert run(BASE, "raise SystemExit(7)").returncode == 7
