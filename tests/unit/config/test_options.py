"""Options, from the layers they come from to the values that a run gets."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wq_runner.cli import run as command
from wq_runner.cli.layered import origin_of
from wq_runner.config.layers import find_settings
from wq_runner.config.options import RunOptions, default_name, defaulted
from wq_runner.errors import UsageError
from wq_runner.units import GB
from wq_runner.workers import spec
from wq_runner.workers.local import LocalSpec

Resolve = Callable[..., tuple[RunOptions, dict[str, str]]]


@pytest.fixture
def resolve(here: Path, monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Run the command line as far as to the resolved options and their origins."""
    found: list[tuple[RunOptions, dict[str, str]]] = []

    def take(ctx: Any, samples: Any, options: RunOptions, **_: Any) -> None:
        found.append((options, {name: origin_of(ctx, name) for name in vars(options)}))

    monkeypatch.setattr(command, "_run", take)

    def resolved(*arguments: str) -> tuple[RunOptions, dict[str, str]]:
        monkeypatch.setattr(sys, "argv", ["wq-run", *arguments])
        with pytest.raises(SystemExit) as caught:
            command.main()
        assert caught.value.code == 0
        return found.pop()

    return resolved


@pytest.fixture
def mistake(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run the command line, which must end with 2, and return what is said."""

    def said(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["wq-run", *arguments])
        with pytest.raises(SystemExit) as caught:
            command.main()
        assert caught.value.code == 2
        out, err = capsys.readouterr()
        assert (out, err[:7]) == ("", "error: ")
        message, _, page = err[7:].rpartition("more: wq-run explain ")
        assert page in {"command-line\n", "options\n", "executors\n"}
        return message

    return said


def write_layers(here: Path) -> None:
    (here / "pyproject.toml").write_text(
        '[tool.wq-runner]\nchunksize = "10k"\nworkers = "local:1"\n'
        'executor = "futures"\nprocessor = "a.py:A"\n'
    )
    (here / "a.py").write_text("")
    (here / "one.yaml").write_text("chunksize: 20k\nlimit-files: 3\nskip-bad-files: true\nname: one\n")
    (here / "two.yaml").write_text("name: two\nlimit_files: 4\nport: 9200-9210\ntask-time:\n")


def test_every_layer_wins_over_those_before(
    here: Path, resolve: Resolve, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_layers(here)
    monkeypatch.setenv("WQ_RUNNER_LIMIT_FILES", "5")
    monkeypatch.setenv("WQ_RUNNER_WAIT_TIME", "2m")
    options, origins = resolve("-ro", "one.yaml", "--run-options", "two.yaml", "-e", "iterative", "s.cfg")
    settings = f"{here}/pyproject.toml [tool.wq-runner]"
    expected = {
        "schema": ("NanoAODSchema", "default"),
        "task_time": (60.0, "default"),  # nothing after a colon is nothing said
        "workers": ("local:1", settings),
        "processor": (f"{here}/a.py:A", settings),
        "chunksize": (20_000, "one.yaml"),
        "skip_bad_files": (True, "one.yaml"),
        "name": ("two", "two.yaml"),
        "port": ((9200, 9210), "two.yaml"),
        "limit_files": (5, "WQ_RUNNER_LIMIT_FILES"),
        "wait_time": (120.0, "WQ_RUNNER_WAIT_TIME"),
        "executor": ("iterative", "command line"),
    }
    assert {name: (getattr(options, name), origins[name]) for name in expected} == expected


def test_show_options(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_layers(here)
    monkeypatch.setattr(sys, "argv", ["wq-run", "-ro", "one.yaml", "--show-options", "--port", "0"])
    with pytest.raises(SystemExit):
        command.main()
    shown = {line.split()[0]: line.split(maxsplit=2)[1:] for line in capsys.readouterr().out.splitlines()}
    assert set(shown) == {name.replace("_", "-") for name in RunOptions.__dataclass_fields__}
    assert shown["chunksize"] == ["20000", "one.yaml"]
    assert shown["port"] == ["0-0", "command line"]
    assert shown["treename"] == ["-", "default"]


def test_settings_are_looked_for_here_then_above_then_beside_the_samples(
    here: Path, resolve: Resolve
) -> None:
    (here / "analysis" / "cfg").mkdir(parents=True)
    (here / "pyproject.toml").write_text("[tool.other]\n")
    assert find_settings(here / "analysis" / "cfg") is None
    (here / "analysis" / "pyproject.toml").write_text("[tool.wq-runner]\nchunksize = 7\n")
    (here / "analysis" / "cfg" / "s.cfg").write_text("")
    assert resolve("analysis/cfg/s.cfg")[0].chunksize == 7
    (here / "pyproject.toml").write_text("[tool.wq-runner]\nchunksize = 8\n")
    assert resolve("analysis/cfg/s.cfg")[0].chunksize == 8


def test_files_are_looked_for_beside_the_settings_that_name_them(here: Path, resolve: Resolve) -> None:
    (here / "analysis" / "tables").mkdir(parents=True)
    (here / "analysis" / "sf.json").touch()
    (here / "analysis" / "s.cfg").touch()
    settings = '[tool.wq-runner]\nextra-file = ["sf.json", "tables"]\n'
    (here / "analysis" / "pyproject.toml").write_text(settings)
    found = resolve("analysis/s.cfg")[0].extra_file
    assert found == (here / "analysis" / "sf.json", here / "analysis" / "tables")


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        (["min_pt=25"], {"min_pt": 25}),
        (["name=ttH", "cut=1.5", "on=true"], {"name": "ttH", "cut": 1.5, "on": True}),
        (["path=a=b"], {"path": "a=b"}),
        (['{"bins": [1, 2], "year": "2018"}', "year=2017"], {"bins": [1, 2], "year": 2017}),
    ],
)
def test_processor_args(resolve: Resolve, arguments: list[str], values: dict[str, Any]) -> None:
    options, _ = resolve(*(f"--processor-args={argument}" for argument in arguments), "s.cfg")
    merged: dict[str, Any] = {}
    for one in options.processor_args:
        merged |= one
    assert merged == values


def test_processor_args_of_the_environment(resolve: Resolve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WQ_RUNNER_PROCESSOR_ARGS", "syst=no  bins=[1, 2] name='a b' era=2018")
    found = resolve("s.cfg")[0].processor_args
    assert found == ({"syst": False}, {"bins": [1, 2]}, {"name": "a b"}, {"era": 2018})


def test_processor_args_of_settings_have_types_already(here: Path, resolve: Resolve) -> None:
    values = '{syst = false, on = "no", x = 1e3}'
    (here / "pyproject.toml").write_text(f"[tool.wq-runner]\nprocessor-args = {values}\n")
    assert resolve("s.cfg")[0].processor_args == ({"syst": False, "on": "no", "x": 1000.0},)


def test_processor_args_of_a_file(here: Path, resolve: Resolve) -> None:
    (here / "a.yaml").write_text("processor-args: {min_pt: 3, bins: [1, 2]}\n")
    (here / "b.yaml").write_text("processor-args: [min_pt=3, {year: 2018}]\n")
    assert resolve("-ro", "a.yaml", "s.cfg")[0].processor_args == ({"min_pt": 3, "bins": [1, 2]},)
    assert resolve("-ro", "b.yaml", "s.cfg")[0].processor_args == ({"min_pt": 3}, {"year": 2018})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--chunk-size", "5", "s.cfg"], "no option --chunk-size. Did you mean --chunksize?"),
        (["--chunk-size=5", "s.cfg"], "no option --chunk-size. Did you mean --chunksize?"),
        (["--xyzzy", "s.cfg"], "no option --xyzzy."),
        (["--chunksize", "2GB", "s.cfg"], "--chunksize: '2GB' is not a number such as 128000 or 128k"),
        (["--chunksize", "0", "s.cfg"], "--chunksize: '0' is not at least 1"),
        (["--limit-chunks", "0", "s.cfg"], "--limit-chunks: '0' is not at least 1"),
        (["--port", "99999", "s.cfg"], "--port: '99999' is not a port, or a range such as 9123-9130"),
        (
            ["-e", "futres", "s.cfg"],
            "--executor: unknown executor 'futres'. Did you mean futures? Known: ",
        ),
        (["-e", "taskvine", "s.cfg"], "--executor: taskvine is not supported, whether "),
        (["-e", "futures@lpc", "s.cfg"], "--executor: futures runs on this machine, not at lpc."),
        (["--processor-args", "x", "s.cfg"], "--processor-args: 'x' is not name=value"),
        (["--processor-args", "{x}", "s.cfg"], "--processor-args: not a JSON object: "),
        (["--password-file", "nowhere", "s.cfg"], "--password-file: no such file: nowhere"),
        (["--catalog", "a:b", "s.cfg"], "--catalog: 'a:b' is neither HOST:PORT nor local nor none"),
        (["--chunksize"], "Option '--chunksize' requires an argument."),
        ([], "SAMPLES are missing"),
        (["-ro", "none.yaml", "s.cfg"], "none.yaml: no such file of run options"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_on_the_command_line(mistake: Callable[..., str], arguments: list[str], said: str) -> None:
    assert mistake(*arguments).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chunksise: 3", "o.yaml: no option chunksise. Did you mean chunksize?"),
        ("skip_badfiles: 3", "o.yaml: no option skip_badfiles. Did you mean skip-bad-files?"),
        ("chunksize: many", "--chunksize: 'many' is not a number such as 128000 or 128k (from o.yaml)"),
        ("chunksize: true", "--chunksize: True is not a number such as 128000 or 128k (from o.yaml)"),
        ("chunksize: [1, 2]", "o.yaml: chunksize takes one value, not a list"),
        ("name: {a: 1}", "o.yaml: name takes one value, not a mapping"),
        (
            "executor: desk",
            "--executor: unknown executor 'desk'. Did you mean dask? Known: ",
        ),
        ("test: perhaps", "--test: 'perhaps' is not a valid boolean"),
        ("processor-args: [1]", "--processor-args: '1' is not name=value (from o.yaml)"),
        ("run-options: other.yaml", "o.yaml: no option run-options."),
        ("- chunksize", "o.yaml is not a mapping of options to values"),
        ("a: b: c", "o.yaml cannot be read: "),
    ],
)
def test_mistakes_in_a_file(here: Path, mistake: Callable[..., str], text: str, said: str) -> None:
    (here / "o.yaml").write_text(text)
    assert mistake("-ro", "o.yaml", "s.cfg").startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chunksize = 'x'", "--chunksize: 'x' is not a number such as 128000 or 128k (from {file} [tool.wq"),
        ("chunk = 1", "{file} [tool.wq-runner]: no option chunk. Did you mean chunksize?"),
        ("chunk = = 1", "{file} cannot be read: "),
    ],
)
def test_mistakes_in_the_settings(here: Path, mistake: Callable[..., str], text: str, said: str) -> None:
    (here / "pyproject.toml").write_text(f"[tool.wq-runner]\n{text}\n")
    assert mistake("s.cfg").startswith(said.format(file=here / "pyproject.toml"))


def test_mistakes_in_the_environment(mistake: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WQ_RUNNER_CHUNKSIZE", "x")
    assert "(from WQ_RUNNER_CHUNKSIZE)" in mistake("s.cfg")
    monkeypatch.setenv("WQ_RUNNER_RUN_OPTIONS", "o.yaml")
    assert "no option for the environment variable WQ_RUNNER_RUN_OPTIONS" in mistake("s.cfg")
    monkeypatch.delenv("WQ_RUNNER_RUN_OPTIONS")
    monkeypatch.setenv("WQ_RUNNER_CHUNKSISE", "3")
    assert mistake("s.cfg") == (
        "no option for the environment variable WQ_RUNNER_CHUNKSISE. Did you mean WQ_RUNNER_CHUNKSIZE?\n"
    )


def test_the_command_line_forgives_a_wrong_value_below(here: Path, resolve: Resolve) -> None:
    (here / "o.yaml").write_text("chunksize: many\n")
    assert resolve("-ro", "o.yaml", "--chunksize", "5", "s.cfg")[0].chunksize == 5


def test_said_or_not_a_default_is_the_same(resolve: Resolve) -> None:
    options, origins = resolve("s.cfg")
    assert options == RunOptions()
    assert set(origins.values()) == {"default"}


def test_what_depends_on_others() -> None:
    options = defaulted(RunOptions(test=True))
    assert (options.executor, options.limit_files, options.limit_chunks) == ("iterative", 1, 1)
    assert defaulted(RunOptions(name="mine")).name == "mine"


def test_the_name_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "lhcuser")
    monkeypatch.delenv("LOGNAME", raising=False)
    assert defaulted(RunOptions()).name == "lhcuser-workqueue-coffea"
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    assert default_name().endswith("-workqueue-coffea")

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert default_name() == "user-workqueue-coffea"


def test_every_option_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    command.cli.main(["--help-all"], standalone_mode=False)
    text = capsys.readouterr().out
    for param in command.cli.params:
        for option in param.opts if param.param_type_name == "option" else []:
            assert option in text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("local:4", LocalSpec(count=4)),
        ("local:2x4", LocalSpec(count=2, cores=4)),
        ("4", LocalSpec(count=4)),
        (" 2x4x8GB ", LocalSpec(count=2, cores=4, memory=8 * GB)),
    ],
)
def test_local_workers(text: str, wanted: LocalSpec) -> None:
    assert spec.parse(text) == wanted
    for executor in ("work_queue", "futures", "dask", "parsl"):
        assert RunOptions(executor=executor, workers=text).started == wanted


@pytest.mark.parametrize("executor", ["work_queue", "futures", "dask", "parsl", "dask@lpc"])
@pytest.mark.parametrize("text", ["local:0", "local:2x0", "locl:2", "local:-1", "local:2x", "2x", "x4"])
def test_workers_not_understood(text: str, executor: str) -> None:
    with pytest.raises(UsageError, match=r"not understood|asks for no|no workers|how many workers to start"):
        _ = RunOptions(executor=executor, workers=text).started


@pytest.mark.parametrize("executor", ["futures", "dask", "parsl"])
def test_processes_are_of_this_machine(executor: str) -> None:
    with pytest.raises(UsageError, match="--workers condor:3: this executor has processes of this machine"):
        _ = RunOptions(executor=executor, workers="condor:3").started


@pytest.mark.parametrize("executor", ["iterative", "dask@tcp://here:1", "parsl@config.py", "work_queue"])
def test_who_starts_none(executor: str) -> None:
    assert RunOptions(executor=executor).started is None


def test_a_setup_of_ones_own_has_its_own_words_for_workers() -> None:
    own: dict[str, Any] = {"executor": "mine", "executor_custom_setup": Path("setup.py")}
    assert RunOptions(workers="as many as you like", **own).started is None
    assert RunOptions(workers="3", **own).started == LocalSpec(count=3)
    assert defaulted(RunOptions(workers="a b", **own)).workers == "a b"
