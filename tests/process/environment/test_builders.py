"""Making environments: what is read, which tool is chosen, and how its failure ends, with its output kept."""

from __future__ import annotations

from pathlib import Path

import condas
import pytest

from wq_runner.environment import builders
from wq_runner.environment.builders import BUILDERS, base_of_spec
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


def test_an_explicit_list(tmp_path: Path) -> None:
    text = "# platform: linux-64\n@EXPLICIT\nhttps://example.org/a-1-0.conda#hash\n"
    found = read_request(spec(tmp_path, text, "lock.txt"))
    assert found.urls == ("https://example.org/a-1-0.conda#hash",)


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
