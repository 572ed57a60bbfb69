"""Files of run options: PocketCoffea's keys, values for each dataset, and files that are written."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from wq_runner.cli import run as command
from wq_runner.config.options import RunOptions, defaulted
from wq_runner.config.pocketcoffea import ANSWERS
from wq_runner.config.written import as_yaml
from wq_runner.errors import UsageError
from wq_runner.model import PerDataset
from wq_runner.units import GB, MB
from wq_runner.workers import factory, spec
from wq_runner.workers.choice import Wish, choose
from wq_runner.workers.factory import FactoryWorkers, file_of

Resolve = Callable[..., RunOptions]

THEIRS = """
scaleout: 400
chunksize: 50000
queue: "espresso"
mem-per-worker: 6GB
cores-per-worker: 2
disk_per_worker: "2GB"
tree-reduction: 20
limit-files: null
limit-chunks: null
skip-bad-files: false
custom-setup-commands:
  - echo $HOME
  - export CUSTOM_VARIABLE=1
"""
ANSWERED = """
retries: 20
worker-image: /cvmfs/unpacked.cern.ch/image
death-timeout: "3600"
adaptive: true
performance_report: true
conda-env: true
local-virtualenv: true
"""


@pytest.fixture
def resolve(here: Path, monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Run the command line as far as to the resolved options."""
    found: list[RunOptions] = []
    monkeypatch.setattr(command, "_run", lambda _ctx, _samples, options, **_: found.append(options))

    def resolved(*arguments: str, code: int = 0) -> RunOptions:
        monkeypatch.setattr(sys, "argv", ["wq-run", *arguments, "s.cfg"])
        with pytest.raises(SystemExit) as caught:
            command.main()
        assert caught.value.code == code
        return found.pop() if found else RunOptions()

    return resolved


def test_their_keys_mean_the_same(here: Path, resolve: Resolve, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "theirs.yaml").write_text(THEIRS)
    options = resolve("-ro", "theirs.yaml", "-w", "condor@lxplus")
    assert defaulted(options).workers == "condor@lxplus:400x2x6GBx2GB"
    assert (options.chunksize, options.queue, options.limit_files) == (50_000, "espresso", None)
    assert options.treereduction == 20
    assert options.setup_command == ("echo $HOME", "export CUSTOM_VARIABLE=1")
    assert capsys.readouterr().err == ""


def test_keys_that_mean_nothing_are_answered(
    here: Path, resolve: Resolve, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "theirs.yaml").write_text(ANSWERED)
    assert resolve("-ro", "theirs.yaml") == RunOptions()
    said = capsys.readouterr().err.splitlines()
    keys = list(yaml.safe_load(ANSWERED))
    assert [line.split(": ")[2] for line in said] == keys
    for line, key in zip(said, keys, strict=True):
        assert line == f"note: theirs.yaml: {key}: {ANSWERS[key.replace('-', '_')]}"


# their executor_options_defaults.yaml, in short: every key, as it stands there or in the block of a site
BLOCKS = """
general: {scaleout: 1, chunksize: 150000, limit-files: null, limit-chunks: null, retries: 10,
          tree-reduction: 20, skip-bad-files: false, voms-proxy: null, ignore-grid-certificate: false,
          group-samples: null, starting-time: null}
dask@lxplus: {scaleout: 10, cores-per-worker: 1, mem-per-worker: 2GB, disk-per-worker: 2GB,
              worker-image: /cvmfs/unpacked.cern.ch/an/image, death-timeout: "3600", queue: microcentury,
              adaptive: false, performance-report: true, custom-setup-commands: null, conda-env: false,
              local-virtualenv: false}
condor@lxplus: {max-retries: 3, split-by-category: true, eos-prefix: "root://eosuser.cern.ch/",
                queue: espresso}
parsl@DESY: {mem-per-worker: 4, logs-dir: logs_parsl, queue: "", walltime: "6:00:00", worker-debug: true}
dask@RWTH: {sched-url: "tcp://here:1"}
parsl@CLAIX: {slurm: {partition: c23ms, account: null}}
condor@rubin: {notify-user: me@example.org, max-run-time: 21600}
dask@purdue-af: {gateway-address: "http://gateway.example.org/", gateway-proxy-address: "gateway.example:87",
                 adaptive: true}
"""


def test_every_key_of_their_defaults_is_read(
    here: Path, resolve: Resolve, capsys: pytest.CaptureFixture[str]
) -> None:
    keys: dict[str, Any] = {}
    for block in yaml.safe_load(BLOCKS).values():
        keys |= block
    assert len(keys) == 34
    for key, value in keys.items():
        (here / "one.yaml").write_text(yaml.safe_dump({key: value}))
        resolve("-ro", "one.yaml")
        said = capsys.readouterr().err
        answered = key.replace("-", "_") in ANSWERS and value not in (None, False, "")
        assert said.startswith(f"note: one.yaml: {key}: ") if answered else not said, key


@pytest.mark.parametrize(
    ("words", "expected", "said"),
    [
        (("-w", "condor@lxplus"), ("espresso", 1), "general and condor@lxplus count"),
        (("-e", "work_queue@lxplus"), ("microcentury", 10), "general and dask@lxplus count"),
        (("-e", "futures"), (None, 1), "general counts"),
    ],
)
def test_blocks_of_sites(
    here: Path,
    resolve: Resolve,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    expected: tuple[str | None, int],
    said: str,
) -> None:
    (here / "theirs.yaml").write_text(BLOCKS)
    options = resolve("-ro", "theirs.yaml", *words)
    assert (options.queue, options.scaleout) == expected
    assert options.chunksize == 150_000
    assert f"note: theirs.yaml: of its blocks, {said} here\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "scaleout", "said"),
    [
        (("-e", "futures"), 3, "of its blocks, futures counts here"),
        (("-w", "condor@lxplus"), 5, "of its blocks, lxplus counts here"),
        (("-e", "iterative"), None, "none of its blocks counts here: futures, lxplus, dask@lxplus-2"),
    ],
)
def test_blocks_of_executors_and_of_sites_alone(
    here: Path,
    resolve: Resolve,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    scaleout: int | None,
    said: str,
) -> None:
    """And no block counts, or is left out, without a word."""
    (here / "own.yaml").write_text(
        "futures: {scaleout: 3}\nlxplus: {scaleout: 5}\ndask@lxplus-2: {scaleout: 7}\n"
        "chunksize: {default: 100k}\n"
    )
    assert resolve("-ro", "own.yaml", *words).scaleout == scaleout
    assert f"note: own.yaml: {said}\n" in capsys.readouterr().err


def test_a_mapping_without_options_is_no_block(
    here: Path, resolve: Resolve, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "own.yaml").write_text("chunk-size: {default: 100k}\n")
    resolve("-ro", "own.yaml", code=2)
    assert "no option chunk-size. Did you mean chunksize?" in capsys.readouterr().err


def test_the_proxy_is_an_option(here: Path, resolve: Resolve) -> None:
    (here / "x509").touch()
    (here / "theirs.yaml").write_text(f"voms-proxy: {here}/x509\n")
    assert resolve("-ro", "theirs.yaml").proxy == f"{here}/x509"
    (here / "theirs.yaml").write_text(f"ignore-grid-certificate: true\nvoms-proxy: {here}/x509\n")
    assert resolve("-ro", "theirs.yaml").proxy == "none"
    (here / "theirs.yaml").write_text("ignore-grid-certificate: false\n")
    assert resolve("-ro", "theirs.yaml").proxy == "auto"


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("4", 4 * GB),
        ("'4'", 4 * GB),
        ("1.5", 1.5 * GB),
        ("2000", 2000 * MB),
        ("16000", 16_000 * MB),
        ("4GB", 4 * GB),
        ("512MB", 512 * MB),
    ],
)
def test_a_worker_of_four_has_gigabytes(here: Path, resolve: Resolve, value: str, size: float) -> None:
    (here / "theirs.yaml").write_text(f"mem-per-worker: {value}\ndisk-per-worker: {value}\n")
    options = resolve("-ro", "theirs.yaml")
    assert (options.mem_per_worker, options.disk_per_worker) == (size, size)


def test_what_may_be_either_has_to_be_said(
    here: Path, resolve: Resolve, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "theirs.yaml").write_text("mem-per-worker: 128\n")
    resolve("-ro", "theirs.yaml", code=2)
    assert "128 may be GB or MB: write 128GB or 128MB (from theirs.yaml)" in capsys.readouterr().err


def test_unknown_keys_are_named_at_once(
    here: Path, resolve: Resolve, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "theirs.yaml").write_text(
        "scalout: 10\nmem-per-task: 2GB\nlimit-events: 3\nskipbadfiles: true\nwalltimes: 3\nmax-retry: 2\n"
    )
    resolve("-ro", "theirs.yaml", code=2)
    assert capsys.readouterr().err.splitlines()[:7] == [
        "error: theirs.yaml: 6 keys are no options",
        "  scalout: did you mean scaleout?",
        "  mem-per-task",  # a worker's memory is another thing
        "  limit-events",
        "  skipbadfiles: did you mean skip-bad-files?",
        "  walltimes: did you mean walltime?",
        "  max-retry",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('walltime: "12:00:00"', ("--time=12:00:00", "+MaxRuntime = 43200")),
        ("walltime: 12:00:00", ("--time=12:00:00", "+MaxRuntime = 43200")),  # a number to YAML
        ("max-run-time: 7200", ("--time=2:00:00", "+MaxRuntime = 7200")),
        ("walltime: long", ("--time=HOURS:MINUTES:SECONDS", "+MaxRuntime = SECONDS")),
        ("notify-user: me@example.org", ("--mail-user=me@example.org", "notify_user = me@example.org")),
        ("requirements: OpSys", ("'requirements = OpSys'",)),
        ("job-name: mine", ("--name mine",)),
    ],
)
def test_answers_are_in_the_users_own_values(
    here: Path, resolve: Resolve, capsys: pytest.CaptureFixture[str], text: str, said: tuple[str, ...]
) -> None:
    (here / "theirs.yaml").write_text(text)
    resolve("-ro", "theirs.yaml")
    answered = capsys.readouterr().err
    assert all(one in answered for one in said), answered


def test_asking_for_nothing_needs_no_answer(
    here: Path, resolve: Resolve, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "theirs.yaml").write_text("adaptive: false\nvoms-proxy: null\nworker-image:\n")
    assert resolve("-ro", "theirs.yaml") == RunOptions()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scalout: 10", "o.yaml: no option scalout. Did you mean scaleout?"),
        ("tree-reducton: 10", "o.yaml: no option tree-reducton. Did you mean tree-reduction?"),
        ("mem_per_worker: 2XB", "--mem-per-worker: '2XB' is not a size such as 2GB"),
        ("setup-command: a\ncustom-setup-commands: [b]", "o.yaml: custom-setup-commands is there twice"),
        ("chunksize: {default: auto, A: 5}", "--chunksize: auto is for all datasets, not for some"),
        ("chunksize: {A: many}", "--chunksize: 'many' is not a number"),
        ("scaleout: {A: 5}", "o.yaml: scaleout takes one value, not a mapping"),
        ("chunksize: [5]", "o.yaml: chunksize takes one value, not a list"),
    ],
)
def test_mistakes(
    here: Path, resolve: Resolve, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (here / "o.yaml").write_text(text)
    resolve("-ro", "o.yaml", code=2)
    assert capsys.readouterr().err.startswith(f"error: {said}")


def test_values_for_each_dataset(here: Path, resolve: Resolve) -> None:
    (here / "o.yaml").write_text(
        "chunksize: {TT*: 5k, TTTo2L: 7k}\nlimit-files: {default: 3, DY*: null}\nmemory: {DY*: 4GB}\n"
    )
    options = resolve("-ro", "o.yaml", "--limit-chunks", "default=9,TT*=2")
    assert isinstance(options.chunksize, PerDataset)
    assert [options.chunksize.of(name) for name in ("TTTo2L", "TTW", "DY")] == [7000, 5000, 100_000]
    assert options.limit_files == PerDataset(default=3, patterns=(("DY*", None),))
    assert options.limit_chunks == PerDataset(default=9, patterns=(("TT*", 2),))
    assert options.memory == PerDataset(default=None, patterns=(("DY*", 4 * GB),))
    assert str(options.limit_chunks) == "default=9,TT*=2"
    # the command line wins as a whole
    assert resolve("-ro", "o.yaml", "-c", "9k").chunksize == 9000


FULL = RunOptions(
    processor="analysis:Analysis",
    processor_args=({"min_pt": 25, "bins": [1, 2]},),
    chunksize=PerDataset(default=100_000, patterns=(("TT*", 5000),)),
    workers="condor@lxplus",
    scaleout=400,
    mem_per_worker=6 * GB,
    memory=PerDataset(default=None, patterns=(("DY*", 2**30),)),
    port=(9200, 9210),
    setup_command=("echo: $HOME", "# no comment"),
    max_cache=123,
    select=("DY*:n_[0-9].root:10-20",),
    limit_files=3,
    skip_bad_files=True,
    max_failed=0.005,
    output=Path("a b"),
    name="ttH: ä",
)


@pytest.mark.parametrize("options", [RunOptions(), FULL], ids=["defaults", "others"])
def test_what_is_written_loads_back_equal(here: Path, resolve: Resolve, options: RunOptions) -> None:
    (here / "all.yaml").write_text(as_yaml(options))
    assert resolve("-ro", "all.yaml") == options


def test_every_option_is_written_with_its_help(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "a.py").touch()
    words = ["wq-run", "-p", "a.py:A", "-c", "5k", "--write-options", "o.yaml"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as caught:
        command.main()
    assert caught.value.code == 0
    text = (here / "o.yaml").read_text()
    content = yaml.safe_load(text)
    assert set(content) == {field.name.replace("_", "-") for field in dataclasses.fields(RunOptions)}
    groups = [line for line in text.splitlines() if line.startswith("# -- ")]
    assert groups == [f"# -- {name} --" for name in dict.fromkeys(groups_of(RunOptions))]
    assert (content["chunksize"], content["processor"], content["max-cache"]) == (
        5000,
        f"{here}/a.py:A",
        "20GB",
    )
    comments = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
    for field in dataclasses.fields(RunOptions):
        assert field.metadata["click"]["help"].split("  ")[0] in comments


def groups_of(kind: type) -> list[str]:
    return [field.metadata["group"] for field in dataclasses.fields(kind)]


def test_a_file_is_not_overwritten(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "o.yaml").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["wq-run", "--write-options", "o.yaml"])
    with pytest.raises(SystemExit) as caught:
        command.main()
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("error: o.yaml is there already")
    assert (here / "o.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "said", "expected"),
    [
        ("local", {"count": 3}, "local:3"),
        ("local", {"count": 3, "cores": 2, "memory": 4 * 10**9}, "local:3x2x4000000000B"),
        ("4x2", {"cores": 3, "memory": 1500 * MB}, "4x2x1500MB"),
        ("local:2", {"count": 3}, "local:2"),
        ("condor:2", {"memory": 4 * GB}, "condor:2xx4GB"),
        ("condor:2x4", {"cores": 8, "disk": GB}, "condor:2x4xx1GB"),
        ("slurm@DESY", {"count": 3}, "slurm@DESY:3"),
        ("condor@lxplus", {"memory": 10}, "condor@lxplus"),
    ],
)
def test_what_is_said_of_workers_by_itself(text: str, said: dict[str, Any], expected: str) -> None:
    filled = spec.read(text).filled(**said)
    assert str(filled) == expected
    assert spec.read(expected) == filled


@pytest.mark.parametrize(
    ("options", "workers"),
    [
        (RunOptions(executor="futures", scaleout=4, mem_per_worker=10), "4"),
        (RunOptions(executor="futures", scaleout=4, workers="2"), "2"),
        (RunOptions(scaleout=4, mem_per_worker=10), "local:4xx10B"),
        (RunOptions(probe=2), "1"),
        (RunOptions(workers="4"), "local:4"),
        (RunOptions(probe=2, workers="local:2"), "local:2"),
    ],
)
def test_how_many_are_wanted(options: RunOptions, workers: str) -> None:
    assert defaulted(options).workers == workers


def wish(workers: str | None, queue: str | None = "espresso") -> Wish:
    return Wish(
        workers=spec.parse(workers) if workers else None,
        name="me",
        catalog=None,
        password_file=None,
        batch_options=None,
        queue=queue,
    )


@pytest.mark.parametrize(
    ("workers", "options", "memory", "disk"),
    [
        ("condor@lxplus:400xx6GBx3GB", '+JobFlavour = "espresso"', 6144, 3072),
        ("condor:4", '+JobFlavour = "espresso"', 4000, 8000),
        ("slurm:4", "--partition=espresso", None, 8000),
    ],
)
def test_the_queue_is_the_batch_systems(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: str,
    options: str,
    memory: int | None,
    disk: int,
) -> None:
    monkeypatch.setattr(factory, "find_commands", lambda _: None)  # nothing is submitted here
    found = choose(wish(workers), tmp_path).workers
    assert isinstance(found, FactoryWorkers)
    assert found.settings.batch_options == options
    assert (file_of(found.settings).memory, file_of(found.settings).disk) == (memory, disk)


@pytest.mark.parametrize("workers", [None, "local:2"])
def test_a_queue_without_a_batch_system(tmp_path: Path, workers: str | None) -> None:
    with pytest.raises(UsageError, match="the queue espresso is one of a batch system"):
        choose(wish(workers), tmp_path)


@pytest.mark.parametrize("text", ["condor", "slurm@DESY"])
def test_how_many_must_be_said(text: str) -> None:
    with pytest.raises(UsageError, match=f"how many workers of {text}") as caught:
        spec.parse(text)
    assert f"--workers {text}:N" in str(caught.value)


@pytest.mark.parametrize(
    ("said", "executor", "workers"),
    [
        ({}, "iterative", None),
        ({"workers": "local:2"}, "work_queue", "local:2"),
        ({"scaleout": 2}, "work_queue", "local:2"),
        ({"executor": "futures", "scaleout": 2}, "futures", "2"),
    ],
)
def test_a_test_with_workers_is_tried_on_them(
    said: dict[str, Any], executor: str, workers: str | None
) -> None:
    found = defaulted(RunOptions(test=True, **said), said)
    assert (found.executor, found.workers) == (executor, workers)
    assert (found.limit_files, found.limit_chunks) == (1, 1)
