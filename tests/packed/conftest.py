"""A real environment of half a GB for the tests here, and workers that have nothing but what they are sent.

It is slow to fill, to pack and to unpack, so each is done once where doing it is not what is tested.
"""

from __future__ import annotations

from pathlib import Path

import condas
import pytest
import running
import scheduling
from packed import foreign

from wq_runner.environment import base
from wq_runner.environment.store import Layer, Store


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give those time that make the environment, and see that one process makes it for all of them."""
    for item in items:
        if item.path.parent == Path(__file__).parent and "spec" in getattr(item, "fixturenames", ()):
            assert item.path.name in scheduling.ONE_ENVIRONMENT, "say there that it shares the environment"
            item.add_marker(pytest.mark.timeout(1500))


@pytest.fixture(scope="session")
def channel(tmp_path_factory: pytest.TempPathFactory) -> str:
    return condas.write_channel(tmp_path_factory.mktemp("channel"))


@pytest.fixture(scope="session")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of packages: Python, and coffea by pip."""
    path = tmp_path_factory.mktemp("spec") / "worker.yml"
    path.write_text(condas.spec())
    path.with_name("constraints.txt").write_text(condas.constraints())
    return path


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's cache directory, shared by the tests here: what was packed once is there."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def store(cache: Path) -> Store:
    return Store(root=cache / "wq-runner" / "environments")


@pytest.fixture(scope="session")
def packed(spec: Path, channel: str, cache: Path, store: Store) -> base.Base:
    """What `wq-env build` makes of the list."""
    built = running.finish(
        running.start(
            *("build", spec, "--channel", channel),
            name="wq-env",
            cwd=spec.parent,
            XDG_CACHE_HOME=str(cache),
            PIP_CONSTRAINT=str(spec.with_name("constraints.txt")),
            PIP_NO_DEPS="1",  # see condas.FILLING
            PIP_NO_COMPILE="1",  # what is imported is compiled then; the rest would be most of the files
        ),
        timeout=foreign.PATIENCE,
    )
    assert built.code == 0, built.out + built.err
    (stored,) = store.entries(Layer.BASE)
    return base.Base(key=stored.key, archive=stored.path / base.ARCHIVE, stored=stored)


@pytest.fixture(scope="session")
def conda(packed: base.Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conda environment of the same packages, so with the same key, at a place of its own."""
    prefix = tmp_path_factory.mktemp("conda") / "env"
    prefix.mkdir()
    condas.run("tar", "-xzf", packed.archive, "-C", prefix)
    condas.run(prefix / "bin" / "python", prefix / "bin" / "conda-unpack")
    (prefix / "bin" / "conda-unpack").unlink()
    return prefix


@pytest.fixture(scope="session")
def workdir(packed: base.Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of workers of which one has unpacked the environment."""
    found = tmp_path_factory.mktemp("workers") / "workdir"
    assert foreign.start_task(foreign.a_task(found / "worker-0" / "t.1", packed)).wait() == 0
    return found
