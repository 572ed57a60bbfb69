"""Executors that a file of the user makes: the example of the documents, every kind, and what is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import nanoaod
import pytest
import running

FILES, EVENTS = 3, 100
SUMS = ("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema", "--chunksize", 50, "--task-time", 0)

FACTORY = """
import concurrent.futures
from pathlib import Path
from coffea import processor
from coffea.processor import accumulate
from coffea.processor.executor import ExecutorBase

class Counting(ExecutorBase):
    def __call__(self, items, function, accumulator):
        with Path("waves").open("a") as stream:
            print(len(items), file=stream)
        return accumulate([function(item) for item in items], accumulator), 0

class Factory:
    def __init__(self, name, run_options):
        self.name = name
        self.pool = concurrent.futures.ThreadPoolExecutor(2)
        Path("options").write_text(f"{run_options['scaleout']} {run_options['chunksize']}")
    def get(self):
        return {
            "iterative": lambda: processor.IterativeExecutor(),
            "futures": lambda: processor.FuturesExecutor(workers=2),
            "threads": lambda: processor.FuturesExecutor(pool=self.pool),
            "pool": lambda: self.pool,
            "counting": lambda: Counting(),
            "nothing": lambda: 3,
            "broken": lambda: {}["no such key"],
        }[self.name]()
    def close(self):
        self.pool.shutdown()
        Path("closed").touch()

def get_executor_factory(executor_name, run_options, outputdir):
    assert Path(outputdir).is_dir()
    return Factory(executor_name, run_options) if executor_name != "unknown" else None
"""


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("custom") / "data"
    for number in range(FILES):
        nanoaod.write_simple(directory / f"f{number}.root", EVENTS)
    return directory


def run(data: Path, directory: Path, executor: str, file: str = "mine.py") -> running.Ended:
    custom = ("-e", executor, "--executor-custom-setup", file, "-w", 2, "-o", "out")
    return running.run(*SUMS, *custom, data, cwd=directory)


def check_complete(directory: Path) -> None:
    found = running.output(directory / "out")
    assert (found["entries"], found["sum"]) == (FILES * EVENTS, FILES * sum(range(EVENTS)))
    assert running.summary(directory / "out")["complete"] is True


def test_the_example_of_the_documents(data: Path, tmp_path: Path) -> None:
    text = (nanoaod.ROOT / "docs" / "executors.md").read_text()
    (example,) = (
        one for one in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "get_executor_factory" in one
    )
    (tmp_path / "home.py").write_text(example)
    ended = run(data, tmp_path, "dask@home", "home.py")
    assert ended.code == 0, ended.out + ended.err
    assert "those of dask@home, as home.py makes it" in ended.out
    assert "dashboard    http://127.0.0.1:" in ended.out
    check_complete(tmp_path)


@pytest.mark.parametrize("executor", ["iterative", "futures", "threads", "pool/here", "counting@home"])
def test_every_kind(data: Path, tmp_path: Path, executor: str) -> None:
    (tmp_path / "mine.py").write_text(FACTORY)
    ended = run(data, tmp_path, executor)
    assert ended.code == 0, ended.out + ended.err
    check_complete(tmp_path)
    assert (tmp_path / "closed").exists()
    assert (tmp_path / "options").read_text() == "2 50"
    if "counting" in executor:
        assert sum(map(int, (tmp_path / "waves").read_text().split())) == FILES * 2


@pytest.mark.parametrize(
    ("executor", "text", "code", "said"),
    [
        ("nothing", FACTORY, 2, "the factory's get() returned int, which nothing can run on"),
        ("broken", FACTORY, 6, "KeyError: 'no such key'"),
        ("unknown", FACTORY, 2, "mine.py has no executor unknown: get_executor_factory returned NoneType"),
        ("dask", "get_executor_factories = 3", 2, "no get_executor_factory. Did you mean get_executor_fact"),
        ("dask", "import no_such_module", 6, "No module named 'no_such_module'"),
    ],
    ids=["nothing", "broken", "unknown", "misspelt", "unimportable"],
)
def test_what_is_wrong(data: Path, tmp_path: Path, executor: str, text: str, code: int, said: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    ended = run(data, tmp_path, executor)
    assert said in ended.error
    assert ended.code == code
