"""Making environments: what is read, which tool is chosen, and how its failure ends, with its output kept."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import condas
import pytest
import yaml

from wq_runner.environment import builders
from wq_runner.environment.builders import BUILDERS, base_of_spec, lock
from wq_runner.environment.builders.request import BuildError, Request, read_request
from wq_runner.environment.store import Layer, Store
from wq_runner.errors import UsageError, WorkerEnvironmentError


def spec(directory: Path, text: str, name: str = "spec.yml") -> Path:
    path = directory / name
    path.write_text(text)
    return path


FULL = """
name: test
channels: [conda-forge, nodefaults]
dependencies:
  - python >=3.10
  - numpy
  - pip:
    - coffea
    - ./local
"""


def test_an_environment_file(tmp_path: Path) -> None:
    found = read_request(spec(tmp_path, FULL), channels=["file:///mine"])
    assert found.channels == ("file:///mine", "conda-forge")
    assert found.specs == ("python >=3.10", "numpy")
    assert found.pip == ("coffea", "./local")


def test_the_file_of_this_repository() -> None:
    root = Path(__file__).parents[3]
    found = read_request(root / "environments/worker.yml")
    assert found.channels == ("conda-forge",)
    assert any(one.startswith("coffea") for one in found.specs)


URL = "https://example.org/channel/linux-64/py-some-1.0-h1_0.conda"
MD5, SHA256 = "0123456789abcdef" * 2, "0123456789abcdef" * 4


def test_an_explicit_list(tmp_path: Path) -> None:
    text = f"# platform: linux-64\n@EXPLICIT\n{URL}#{MD5}\n{URL}#sha256:{SHA256}\n{URL}\n"
    found = read_request(spec(tmp_path, text, "lock.txt"))
    assert found.urls == (f"{URL}#{MD5}", f"{URL}#sha256:{SHA256}", URL)
    one = lock.parse(found.urls[0])
    assert (one.channel, one.subdir) == ("https://example.org/channel", "linux-64")
    assert (one.name, one.version, one.build, one.md5) == ("py-some", "1.0", "h1_0", MD5)
    assert lock.parse(found.urls[1]).sha256 == SHA256


def conda_lock(*packages: dict[str, Any]) -> str:
    """What conda-lock writes: everything for each platform."""
    common = {"version": "1.0", "dependencies": {}, "optional": False, "category": "main"}
    content = {
        "version": 1,
        "metadata": {"platforms": ["linux-64"], "sources": ["environment.yml"]},
        "package": [{**common, **one} for one in packages],
    }
    return yaml.safe_dump(content)


def test_a_lock_of_conda_lock(tmp_path: Path) -> None:
    mine = {"manager": "conda", "platform": condas.SUBDIR, "url": URL}
    text = conda_lock(
        {"name": "a", **mine, "hash": {"md5": MD5, "sha256": SHA256}},
        {"name": "b", **mine, "hash": {"sha256": SHA256}},
        {"name": "for-tests", **mine, "hash": {"md5": MD5}, "category": "dev", "optional": True},
        {"name": "elsewhere", **mine, "platform": "osx-arm64", "hash": {"md5": MD5}},
        {
            "name": "wheel",
            **mine,
            "manager": "pip",
            "url": "https://example.org/wheel-1.0-py3-none-any.whl",
            "hash": {"sha256": SHA256},
        },
    )
    found = read_request(spec(tmp_path, text, "conda-lock.yml"))
    assert found.urls == (f"{URL}#{MD5}", f"{URL}#{SHA256}")
    wheel = f"wheel @ https://example.org/wheel-1.0-py3-none-any.whl#sha256={SHA256}"
    assert found.pip == ("--no-deps", wheel)


def test_requirements(tmp_path: Path) -> None:
    found = read_request(spec(tmp_path, "# mine\ncoffea==2026.9.0\n\nuproot\n", "requirements.txt"))
    assert (found.pip, found.specs) == (("coffea==2026.9.0", "uproot"), ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dependencies: [", "is not YAML"),
        ("just text", "no list of dependencies"),
        ("dependencies:\n  - npm: [x]\n", "is not understood"),
        ("dependencies:\n  - pip: x\n", "is not understood"),
        ("@EXPLICIT\npython=3.11\n", "is no URL of a conda package"),
        (f"@EXPLICIT\n{URL}#xyz\n", "is no URL of a conda package"),
        ("package: [{name: x}]", "is not understood as a lock of conda-lock"),
        (
            "package: [{name: x, manager: conda, platform: win-64, url: u}]",
            "locks no packages for .*, only for win-64",
        ),
    ],
)
def test_files_that_are_not_understood(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_request(spec(tmp_path, text))


# -- every tool: registered is tested --


def fake(directory: Path, name: str, text: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only programs of the conda family that there are."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    for name in ("CONDA_EXE", "MAMBA_EXE"):
        monkeypatch.delenv(name, raising=False)
    return directory


def request_for(name: str, tmp_path: Path, channel: str = "file:///nonexistent/channel") -> Path:
    if name == "venv":
        return spec(tmp_path, "there-is-no-such-package==1.0\n", "requirements.txt")
    return spec(tmp_path, f"channels: ['{channel}']\ndependencies: [there-is-no-such-package]\n")


@pytest.mark.parametrize("name", BUILDERS)
def test_a_failure_ends_with_its_output_kept(
    name: str, tools: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    if name not in ("rattler", "venv"):
        fake(tools, name, "echo there-is-no-such-package is not available; echo on stderr >&2; exit 1")
    with pytest.raises(WorkerEnvironmentError, match=f"{name} could not make an environment") as caught:
        base_of_spec(request_for(name, tmp_path), store, builder=name)
    assert caught.value.exit_code == 4
    log = Path(caught.value.hint.removeprefix("all output is in "))
    text = log.read_text()
    assert "there-is-no-such-package" in text
    assert log.parent == store.logs
    assert store.entries() == []
    assert not list((store.root / "building").iterdir())


CAUSES = {
    "no solution": "echo 'LibMambaUnsatisfiableError: package a requires b' >&2; exit 1",
    "full disk": "echo 'OSError: [Errno 28] No space left on device' >&2; exit 1",
    "no network": "echo 'CondaHTTPError: HTTP 000 CONNECTION FAILED for url <x>' >&2; exit 1",
    "killed": "kill -9 $$",
    "says it on stdout": "echo 'PackagesNotFoundError: nothing provides x'; exit 1",
    "claims success": "echo 'Transaction finished'; exit 0",
    "bytes": r"printf 'caf\351 \000 \377'; exit 1",
}


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("name", ["conda", "mamba", "micromamba"])
def test_the_conda_family_fails(name: str, cause: str, tools: Path, store: Store, tmp_path: Path) -> None:
    fake(tools, name, CAUSES[cause])
    with pytest.raises(WorkerEnvironmentError) as caught:
        base_of_spec(request_for(name, tmp_path), store, builder=name)
    assert caught.value.exit_code == 4
    assert store.entries() == []
    assert list(store.logs.glob(f"{name}-*.log"))


def test_a_tool_that_prints_on_stdout_and_works(
    tools: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """conda prints banners and warnings wherever it likes; only what it made counts."""
    fake(
        tools,
        "conda",
        'echo "==> WARNING: A newer version of conda exists. <=="; echo "{json}"\n'
        'while [ "$1" != --prefix ]; do shift; done; mkdir -p "$2/bin" "$2/conda-meta"; : > "$2/bin/python"',
    )
    output = BUILDERS["conda"].build(
        Request(file=tmp_path / "x.yml", channels=("a",), specs=("python",)), tmp_path / "env"
    )
    assert "newer version of conda" in output
    assert (tmp_path / "env/bin/python").exists()


def test_how_the_conda_family_is_called(tools: Path, tmp_path: Path) -> None:
    fake(tools, "micromamba", 'printf "%s\\n" "$@"; env | grep PYTHON || true')
    request = Request(
        file=tmp_path / "x.yml", channels=("one", "file:///two"), specs=("python >=3.10", "numpy")
    )
    words = BUILDERS["micromamba"].build(request, tmp_path / "env").splitlines()
    assert words == [
        *("create", "--yes", "--quiet", "--prefix", str(tmp_path / "env"), "--override-channels"),
        *("--channel", "one", "--channel", "file:///two", "python >=3.10", "numpy"),
    ]
    fake(tools, "micromamba", 'while [ "$1" != --file ]; do shift; done; cat "$2"')
    request = Request(file=tmp_path / "x.txt", channels=(), urls=("https://example.org/a.conda",))
    output = BUILDERS["micromamba"].build(request, tmp_path / "env")
    assert output == "@EXPLICIT\nhttps://example.org/a.conda\n"


def test_which_tool_is_chosen(tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conda = Request(file=tmp_path / "x.yml", channels=("a",), specs=("python",))
    pip = Request(file=tmp_path / "x.txt", channels=(), pip=("coffea",))
    assert builders.choose(None, conda).name == "rattler"
    assert builders.choose(None, pip).name == "venv"
    for name in ("conda", "mamba", "micromamba"):
        fake(tools, name, "")
        assert builders.choose(None, conda).name == name
    assert builders.choose("conda", conda).name == "conda"
    with pytest.raises(UsageError, match=r"no builder cona\. Did you mean conda"):
        builders.choose("cona", conda)
    with pytest.raises(UsageError, match="looked for venv"):
        builders.choose("venv", conda)
    # conda of a shell function: only its variable says where it is
    (tools / "conda").rename(tmp_path / "conda")
    monkeypatch.setenv("CONDA_EXE", str(tmp_path / "conda"))
    assert builders.choose("conda", conda).name == "conda"


# -- py-rattler for real, on a channel of one small package --


@pytest.fixture
def channel(tmp_path: Path) -> str:
    root = tmp_path / "channel"
    condas.add_package(root, "small", "1.0", [condas.File(target="share/small.txt", content=b"small")])
    return condas.index(root)


def test_rattler_installs(channel: str, tmp_path: Path) -> None:
    request = Request(file=tmp_path / "x.yml", channels=(channel,), specs=("small >=1",))
    assert "small 1.0 0" in BUILDERS["rattler"].build(request, tmp_path / "env")
    assert (tmp_path / "env/share/small.txt").read_text() == "small"


def packages_of(channel: str) -> dict[str, str]:
    """The URLs of all packages of a channel, by their names."""
    root = Path(channel.removeprefix("file://"))
    paths = sorted((root / condas.SUBDIR).glob("*.tar.bz2"))
    return {path.name.rsplit("-", 2)[0]: path.as_uri() for path in paths}


def hash_of(url: str, kind: str) -> str:
    return hashlib.new(kind, Path(url.removeprefix("file://")).read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_rattler_installs_what_is_locked(kind: str, channel: str, tmp_path: Path) -> None:
    url = packages_of(channel)["small"]
    path = spec(tmp_path, f"@EXPLICIT\n{url}#{hash_of(url, kind)}\n", "explicit.txt")
    assert "small 1.0 0" in BUILDERS["rattler"].build(read_request(path), tmp_path / "env")
    assert (tmp_path / "env/share/small.txt").read_text() == "small"
    (kept,) = (tmp_path / "env/conda-meta").glob("*.json")
    assert json.loads(kept.read_text())[kind] == hash_of(url, kind)


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_rattler_refuses_what_is_not_as_locked(kind: str, channel: str, tmp_path: Path) -> None:
    url = packages_of(channel)["small"]
    wrong = hashlib.new(kind, b"another").hexdigest()
    with serving(Path(channel.removeprefix("file://"))) as address:
        for place in (channel.rstrip("/"), address):
            line = url.replace(channel.rstrip("/"), place)
            path = spec(tmp_path, f"@EXPLICIT\n{line}#{wrong}\n", "explicit.txt")
            with pytest.raises(BuildError) as caught:
                BUILDERS["rattler"].build(read_request(path), tmp_path / "env")
            assert "hash" in caught.value.output
            assert not (tmp_path / "env/share/small.txt").exists()


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[str]:
    """Serve a directory on loopback, and return its URL."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=directory)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_lock_makes_a_python_with_its_wheels(tools: Path, tmp_path: Path) -> None:
    """As conda-lock writes it, where no conda is installed: conda's packages, and pip's on top."""
    urls = packages_of(condas.write_channel(tmp_path / "channel"))
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        info = "tiny-1.0.dist-info"
        archive.writestr("tiny.py", "VALUE = 42\n")
        # what is not locked is not installed, whoever asks for it
        metadata = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\nRequires-Dist: no-such-package\n"
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    mine = {"platform": condas.SUBDIR}
    text = conda_lock(
        *(
            {"name": name, **mine, "manager": "conda", "url": url, "hash": {"md5": hash_of(url, "md5")}}
            for name, url in urls.items()
        ),
        {
            "name": "tiny",
            **mine,
            "manager": "pip",
            "url": wheel.as_uri(),
            "hash": {"sha256": hash_of(wheel.as_uri(), "sha256")},
        },
    )
    request = read_request(spec(tmp_path, text, "conda-lock.yml"))
    tool = builders.choose(None, request)
    assert tool.name == "rattler"
    tool.build(request, tmp_path / "env")
    code = "import sys, tiny; print(sys.prefix, tiny.VALUE)"
    assert condas.run(tmp_path / "env/bin/python", "-c", code).split() == [str(tmp_path / "env"), "42"]


def test_rattler_cannot_solve(channel: str, tmp_path: Path) -> None:
    request = Request(file=tmp_path / "x.yml", channels=(channel,), specs=("small >=2",))
    with pytest.raises(BuildError, match="could not be resolved") as caught:
        BUILDERS["rattler"].build(request, tmp_path / "env")
    assert "small >=2" in caught.value.output


def test_rattler_without_a_network(tmp_path: Path) -> None:
    request = Request(file=tmp_path / "x.yml", channels=("http://127.0.0.1:9/channel",), specs=("small",))
    with pytest.raises(BuildError, match="could not be resolved") as caught:
        BUILDERS["rattler"].build(request, tmp_path / "env")
    assert "127.0.0.1:9" in caught.value.output


def test_rattler_cannot_write(channel: str, tmp_path: Path) -> None:
    request = Request(file=tmp_path / "x.yml", channels=(channel,), specs=("small",))
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="could not be installed"):
        BUILDERS["rattler"].build(request, tmp_path / "file" / "env")


def test_an_environment_without_python(channel: str, store: Store, tmp_path: Path) -> None:
    path = spec(tmp_path, f"channels: ['{channel}']\ndependencies: [small]\n")
    with pytest.raises(WorkerEnvironmentError, match="has no python"):
        base_of_spec(path, store, builder="rattler")
    assert store.entries(Layer.BASE) == []
