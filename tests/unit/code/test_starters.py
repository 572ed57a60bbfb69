"""Files that run when they are imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from wq_runner.code import starters
from wq_runner.errors import ProcessorError


@pytest.mark.parametrize(
    "text",
    [
        "from distributed import Client\nclient = Client()",
        "from dask.distributed import Client as C, LocalCluster\nwith C() as client:\n    pass",
        "import dask.distributed\nclient = dask.distributed.Client('tcp://h:1')",
        "import distributed as dd\ntry:\n    client = dd.Client()\nexcept OSError:\n    pass",
        "from dask_jobqueue import SLURMCluster\ncluster = SLURMCluster(cores=1)",
        "from lpcjobqueue import LPCCondorCluster\nprint(LPCCondorCluster())",
        "import parsl\nparsl.load()",
        "import argparse\noptions = argparse.ArgumentParser().parse_args()",
        "from coffea import processor\nrun = processor.Runner(executor=None)\nout = run({}, 'Events')",
        "from coffea.processor import Runner\nout = Runner(executor=None)({}, 'Events')",
        "import wq_runner\nif True:\n    wq_runner.run('s.cfg')",
        "from wq_runner import WorkQueueExecutor\nexecutor = WorkQueueExecutor(workers=2)",
    ],
)
def test_what_starts_something_is_refused_with_its_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"import os\n{text}\n")
    with pytest.raises(
        ProcessorError, match=r"this file runs when it is imported: .*mine\.py, line \d"
    ) as caught:
        starters.check(tmp_path / "mine.py")
    shown = caught.value.message.splitlines()[2].strip()
    assert shown in [line.strip() for line in text.splitlines()]
    assert "if __name__ == '__main__':" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "from distributed import Client\nif __name__ == '__main__':\n    client = Client()",
        "from distributed import Client\ndef main():\n    return Client()",
        "from distributed import Client\nmake = lambda: Client()",
        "from distributed import Client\nclass A:\n    def f(self):\n        return Client()",
        "from minio import Client  # of another distributed thing\nclient = Client()",
        "from distributed import Client, get_client\nclient = get_client",
        "from coffea.processor import Runner\nrunner = Runner(executor=None)",
        "import parsl\nprint(parsl.__version__)",
        "import argparse\noptions = argparse.ArgumentParser().parse_args([])",
        "no Python, distributed",
    ],
)
def test_what_only_could_start_something_is_not(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    starters.check(tmp_path / "mine.py")
    starters.check(tmp_path / "not there.py")
