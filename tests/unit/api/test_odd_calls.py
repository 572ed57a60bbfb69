"""Calls of `run` and `WorkQueueExecutor` as people write them who come from elsewhere: each is answered."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coffea import processor

import wq_runner
from wq_runner import WorkQueueExecutor
from wq_runner.api.given import options_of
from wq_runner.config.options import RunOptions
from wq_runner.errors import UsageError

OURS = str(Path(wq_runner.__file__).parent)


def raised(call: Callable[[], Any]) -> UsageError:
    with pytest.raises(UsageError) as caught:
        call()
    frames = [one for one in traceback.extract_tb(caught.value.__traceback__) if OURS in one.filename]
    assert len(frames) <= 1
    assert caught.value.__cause__ is None
    return caught.value


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"maxchunks": 2}, "run() has no option maxchunks. Did you mean limit_chunks?"),
        ({"max_files": 2}, "run() has no option max_files. Did you mean limit_files?"),
        ({"n_workers": 2}, "run() has no option n_workers. Did you mean workers?"),
        ({"outdir": "x"}, "run() has no option outdir. Did you mean output?"),
        ({"worker": 2}, "run() has no option worker. Did you mean workers?"),
        ({"skipbadfiles": True}, "run() has no option skipbadfiles. Did you mean skip_bad_files?"),
        ({"skip_bad_files": (OSError,)}, "is not True or False"),
        ({"test": "perhaps"}, "test: 'perhaps' is not a valid boolean"),
        ({"executor": processor.IterativeExecutor()}, "executor: run() takes the name of one, and not an"),
        ({"executor": WorkQueueExecutor}, "executor: run() takes the name of one, and not an object"),
    ],
)
def test_of_run(options: dict[str, Any], said: str) -> None:
    assert said in raised(lambda: wq_runner.run("a.root", len, **options)).message


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"skip_bad_files": "no", "test": "off"}, {"skip_bad_files": False, "test": False}),
        ({"skip_bad_files": "yes", "test": 1}, {"skip_bad_files": True, "test": True}),
        ({"chunksize": None, "treename": None}, {"chunksize": RunOptions.chunksize, "treename": None}),
        ({"cores": None, "outputs": None}, {"cores": RunOptions.cores, "outputs": RunOptions.outputs}),
        ({"workers": np.int64(3)}, {"workers": "local:3"}),
    ],
)
def test_what_is_understood(given: dict[str, Any], read: dict[str, Any]) -> None:
    found = options_of(given)
    assert {name: getattr(found, name) for name in read} == read


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"workers": 0}, "workers=0 asks for no workers"),
        ({"port": "abc"}, "port='abc' is not a port"),
        ({"workers": 1, "memory": "2 gigs"}, "is not a size such as 2GB"),
        ({"workers": 1, "environment": "nope.tar.gz"}, "nope.tar.gz: no such file"),
        ({"workers": 1, "extra_files": ["nope.json"]}, "nope.json: no such file"),
        ({"workers": 1, "resources_mode": "atuo"}, "Did you mean auto?"),
        ({"workers": 1, "seed": "x"}, "seed='x' is not a whole number"),
        ({"password_file": "nope"}, "password_file='nope': no such file"),
    ],
)
def test_of_the_executor(given: dict[str, Any], said: str) -> None:
    assert re.search(re.escape(said), raised(lambda: WorkQueueExecutor(**given)).message)
