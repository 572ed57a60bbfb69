"""What people type who are new here, or come from elsewhere: the exit code, and the first line of the answer.

Each ends before anything is packed, imported or started: there is no engine in these.
"""

from __future__ import annotations

import shlex
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wq_runner.cli import run
from wq_runner.config import types
from wq_runner.samples import mistaken

Call = Callable[[str], tuple[int, list[str]]]

PROCESSOR = """
from coffea.processor import ProcessorABC

class Mine(ProcessorABC):
    def __init__(self, a=1):
        self.a = a
    def process(self, events):
        return {}
    def postprocess(self, output):
        return output
"""


@pytest.fixture
def call(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Type a command in a directory that has a processor, a file of samples and some others."""
    (here / "mine.py").write_text(PROCESSOR)
    (here / "list.txt").write_text("a.root\n")
    (here / "a.root").write_bytes(b"root")
    (here / "open").write_text("secret")
    (here / "open").chmod(0o644)
    (here / "other.py").write_text("class Other:\n    pass\n")
    (here / "client.py").write_text("from distributed import Client\nclient = Client()\n")
    (here / "syntax.py").write_text("x = 1 +\n")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(sys, "path", [*sys.path])
    # or with `python -m pytest` click takes that for the name of the program
    monkeypatch.setattr(sys.modules["__main__"], "__package__", None)

    def called(command: str) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit) as ended:
            run.main()
        found = capsys.readouterr()
        return int(ended.value.code or 0), [line.strip() for line in (found.err or found.out).splitlines()]

    before = set(sys.modules)
    yield called
    for name in {"mine", "other", "client", "syntax"} - before:  # others have modules of such names, too
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("-n 4", "no option -n: --workers local:4 (-w) or --scaleout 4 (-s) sets the number of workers"),
        ("-j8", "no option -j: --workers local:8 (-w)"),
        ("--ncores=2", "no option --ncores: --workers local:2 (-w)"),
        ("-v", "no option -v: --loglevel info (-ll) sets how much the terminal shows"),
        ("--debug", "no option --debug: --loglevel debug (-ll) sets how much"),
        (
            "--nevents 1000",
            "no option --nevents: events are limited by chunks: --limit-chunks 1 --chunksize 1000",
        ),
        (
            "--maxchunks 3",
            "no option --maxchunks: --limit-chunks 3 limits the chunks of each dataset",
        ),
        (
            "--json x.json",
            "no option --json: samples are named at the end, without an option: wq-run ... x.json",
        ),
        ("--wf ttdilep", "no option --wf: --processor FILE.py:NAME (-p) names the processor"),
        ("--skipCQR", "no option --skipCQR: arguments of the processor are --processor-args NAME=VALUE"),
        ("--isSyst all", "no option --isSyst: arguments of the processor are --processor-args NAME=VALUE"),
        ("--do-systs", "no option --do-systs: arguments of the processor are --processor-args NAME=VALUE"),
        ("--validate", "no option --validate: wq-samples check SAMPLES opens the files"),
        ("--save x.coffea", "no option --save: output.coffea in the directory of --output (-o) is always"),
        ("--max-scaleout 40", "no option --max-scaleout: --scaleout 40 (-s) is the most workers there are"),
        ("--index 3", "no option --index: a run goes on by itself, over all files: the same command"),
        ("--xrd root://h/", "no option --xrd: a line in a .cfg goes before the names of files"),
        ("--outpath histos", "no option --outpath: --output histos (-o) sets the directory of the output"),
        (
            "--walltime 12:00:00",
            "no option --walltime: not used; --batch-options says it: '+MaxRuntime = 43200'",
        ),
        ("--partition long", "no option --partition: --queue long (-q) sets the queue or partition"),
        (
            "--account cms",
            "no option --account: --batch-options '--account=cms' passes options to the batch system",
        ),
        ("--retries 5", "no option --retries: each cause of failure has its own number of attempts here"),
        ("--resume", "no option --resume: the same command continues where the last one stopped"),
        ("--overwrite", "no option --overwrite: --fresh starts over"),
        ("-x futures", "no option -x: --executor futures (-e) sets the executor"),
        ("--mem 4GB", "no option --mem: --memory 4GB sets the memory of a task"),
        ("--year 2018", "no option --year: --only year=2018 chooses datasets"),
        ("--pretend", "no option --pretend: --dry-run shows what would be done"),
        ("--skipbadfiles", "no option --skipbadfiles. Did you mean --skip-bad-files?"),
        ("--worker local:2", "no option --worker. Did you mean --workers?"),
    ],
)
def test_options_of_other_programs(call: Call, options: str, said: str) -> None:
    code, lines = call(f"wq-run {options} a.root")
    assert (code, lines[0][: len(said) + 7]) == (2, f"error: {said}")
    assert lines[-1] == "more: wq-run explain command-line"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("status", "no runs in or below"),
        ("status nowhere", "error: "),
        ("report nowhere", "error: "),
        ("samples list nowhere.cfg", "error: nowhere.cfg has a problem"),
        ("env nothing", "error: no command nothing."),
        ("workers sites show lxplus", "name           lxplus"),
        ("workers --help", "Usage: wq-workers"),
        ("samples", "Usage: wq-samples"),
    ],
)
def test_the_programs_are_commands_as_well(call: Call, words: str, said: str) -> None:
    _, lines = call(f"wq-run {words}")
    assert lines[0].startswith(said)


def test_samples_of_the_name_of_a_program_are_samples(call: Call, here: Path) -> None:
    (here / "samples").mkdir()
    assert call("wq-run samples")[1][0] == "error: samples has a problem"
    assert call("wq-run samples --bad")[1][0].startswith("error: no option --bad.")
    assert call("wq-run samples list nowhere.cfg")[1][0] == "error: nowhere.cfg has a problem"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("", 2, "SAMPLES are missing: a .cfg, a .json, ROOT files, a directory or a glob"),
        ("nope.root", 2, "nope.root has a problem"),
        ("'*.rot'", 2, "*.rot has a problem"),
        ("list.txt", 2, "list.txt has a problem"),
        ("mine.py:Mine a.root", 2, "the list of samples has a problem"),
        ("--processor-args a=1 b=2 a.root", 2, "the list of samples has a problem"),
        ("--processor-args a a.root", 2, "--processor-args: 'a' is not name=value"),
        ("--memory 2 a.root", 2, "--memory: '2' alone is not GB here but MB, which is too little: write 2GB"),
        ("--memory 20MB a.root", 2, "--memory: '20MB' is not enough: Python with coffea in it has 100.0 MB"),
        ("--memory 4000000000 a.root", 2, "--memory: '4000000000' alone is not bytes here but MB"),
        ("--mem-per-worker 128 a.root", 2, "--mem-per-worker: '128' may be GB or MB"),
        ("-c 50,000 a.root", 2, "--chunksize: '50,000' is not a number such as 128000 or 128k: write 50_000"),
        ("-c 0 a.root", 2, "--chunksize: '0' is not at least 1"),
        ("-s 50000 a.root", 2, "50,000 workers are too many for this machine"),
        ("-w locl:4 a.root", 2, "no workers 'locl'. Did you mean local?"),
        ("-w condor a.root", 2, "how many workers of condor?"),
        ("-w local:2x1x8XB a.root", 2, "--workers 'local:2x1x8XB': '8XB' is not a size such as 2GB"),
        ("-e futurs a.root", 2, "--executor: unknown executor 'futurs'. Did you mean futures?"),
        ("-e taskvine a.root", 2, "--executor: taskvine is not supported"),
        ("-e dask@nowhere -w 3 a.root", 2, "there is no site nowhere."),
        ("--port 99999 a.root", 2, "--port: '99999' is not a port, or a range such as 9123-9130"),
        ("--password-file nope a.root", 2, "--password-file: no such file: nope"),
        ("--password-file open a.root", 2, "others may read the password file open"),
        ("--proxy nope a.root", 2, "--proxy: no such file: nope"),
        ("--extra-file nope a.root", 2, "--extra-file: Path 'nope' does not exist."),
        ("--environment nope.yml a.root", 2, "--environment nope.yml: no such file"),
        ("--pdb a.root", 2, "--pdb cannot open a debugger with --executor work_queue"),
        ("--only TT a.root", 2, "--only TT: no dataset of this name. There are: a"),
        ("50,000 a.root", 2, "the list of samples has a problem"),
        ("--select a:c.root a.root", 2, "no file c.root in a. Did you mean a.root?"),
        ("--redirector x a.root", 2, "--redirector: 'x' is not FROM=TO"),
        ("--max-failed 5 a.root", 2, "--max-failed: '5' is not a share such as 0.5% or 0.005"),
        (
            "--wait-time forever a.root",
            2,
            "--wait-time: 'forever' is not a time such as 90, 5m, 2h or 1:30:00",
        ),
        ("--http 99999 a.root", 2, "--http: '99999' is not a port"),
        ("-o out.coffea a.root", 2, "--output out.coffea: the output is a directory, with the result"),
        ("-o histos/out.pkl.gz a.root", 2, "--output histos/out.pkl.gz: the output is a directory"),
        ("-p mine.py::Mine a.root", 2, "the processor 'mine.py::Mine' is not FILE.py:NAME or MODULE:NAME"),
        ("-p :Mine a.root", 2, "the processor ':Mine' is not FILE.py:NAME or MODULE:NAME"),
        ("-e TaskVineExecutor a.root", 2, "--executor: TaskVineExecutor is not supported"),
        ("-e vine a.root", 2, "--executor: vine is not supported, whether ndcctools.taskvine is here"),
        ("-e wq a.root", 2, "--executor: unknown executor 'wq'. Did you mean work_queue?"),
        (
            "--memory 2,5G a.root",
            2,
            "--memory: '2,5G' is not a size such as 2GB, 2GiB or 2000 (MB): write 2.5G",
        ),
        ("--memory 2Gb a.root", 2, "--memory: '2Gb' is not a size such as 2GB, 2GiB or 2000 (MB): write 2G"),
        (
            "-c '50 000' a.root",
            2,
            "--chunksize: '50 000' is not a number such as 128000 or 128k: write 50_000",
        ),
        ("-w 2 --cores 4 a.root", 2, "--cores 4: no task fits a worker, which has 1 (--workers local:2)"),
        ("-w local:2x1x1GB --memory 4GB a.root", 2, "--memory 4GB: no task fits a worker, which has 1GB"),
        ("-w slurm:9x4 --cores 8 a.root", 2, "--cores 8: no task fits a worker, which has 4"),
        ("-w condor:9 --disk-per-worker 2 --disk 3GB a.root", 2, "--disk 3GB: no task fits a worker"),
        ("--outfile out.coffea a.root", 2, "no option --outfile: --output DIR (-o) sets the directory"),
        ("--output-dir out a.root", 2, "no option --output-dir: --output out (-o) sets the directory"),
        ("--outputs each a.root", 2, "--outputs: unknown value 'each'. Known: one, per-dataset"),
        ("--catalog a:b a.root", 2, "--catalog: 'a:b' is neither HOST:PORT nor local nor none"),
        ("--batch-options=--time=1 a.root", 2, "--batch-options is for workers of a batch system"),
        ("-ro nope.yaml a.root", 2, "nope.yaml: no such file of run options"),
        ("--stop nowhere", 2, "no wq-run works in nowhere"),
        ("-o mine.py a.root", 2, "mine.py cannot be used for the output: File exists"),
        ("-p mien.py:Mine a.root", 2, "the processor's file mien.py does not exist. Did you mean mine.py?"),
        ("-p mine.py:Mien a.root", 2, "mine.py has no Mien. Did you mean Mine?"),
        ("-p other.py:Other a.root", 2, "other.py:Other is an Other, not a processor"),
        ("-p mine.py:Mine --processor-args c=3 a.root", 2, "mine.py:Mine cannot be built with {'c': 3}"),
        ("-p client.py:Mine a.root", 6, "this file runs when it is imported: client.py, line 2"),
        ("-p syntax.py:Mine a.root", 6, "the processor syntax.py cannot be imported"),
        ("explain nothing", 2, "no page nothing."),
        (
            "-e condor a.root",
            2,
            "--executor: unknown executor 'condor'. Workers are started by --workers condor:N",
        ),
        (
            "-e local a.root",
            2,
            "--executor: unknown executor 'local'. Workers are started by --workers local:N",
        ),
        (
            "-e FuturesExecutor a.root",
            2,
            "--executor: unknown executor 'FuturesExecutor'. Did you mean futures?",
        ),
        ("-e WorkQueue a.root", 2, "--executor: unknown executor 'WorkQueue'. Did you mean work_queue?"),
        (
            "-e vanilla_lxplus a.root",
            2,
            "--executor: unknown executor 'vanilla_lxplus'. Workers are started by",
        ),
        ("-e spark a.root", 2, "--executor: unknown executor 'spark'. Known: work_queue, iterative,"),
        ("-c -1 a.root", 2, "--chunksize: '-1' is not at least 1"),
        ("-c all a.root", 2, "--chunksize: 'all' is not a number such as 128000 or 128k"),
        ("-c 100 000 a.root", 2, "the list of samples has a problem"),
        ("--memory 2Go a.root", 2, "--memory: '2Go' is not a size such as 2GB, 2GiB or 2000 (MB)"),
        ("-w htcondor:5 a.root", 2, "no workers 'htcondor'. Did you mean condor?"),
        ("-w local=2 a.root", 2, "--workers 'local=2' is not understood. Did you mean local?"),
        ("-w 0 a.root", 2, "--workers '0' asks for no workers: at least 1 is needed"),
        ("-p mine.Mine a.root", 2, "no module mine.Mine for the processor mine.Mine"),
        ("-p mine.py:sys a.root", 2, "mine.py has no sys."),
        ("mine.py a.root", 2, "the list of samples has a problem"),
        ("export pbs a.root", 2, "Invalid value for 'condor|slurm[@SITE]': unknown value 'pbs'."),
    ],
)
def test_mistakes(call: Call, words: str, code: int, said: str) -> None:
    ended, lines = call(f"wq-run {words}")
    assert (ended, lines[0][: len(said) + 7]) == (code, f"error: {said}")
    assert lines[-1].startswith("more: wq-run explain ")


def test_what_was_meant_is_in_the_second_line(call: Call) -> None:
    for words, said in {
        "-p mine.Mine a.root": "; a class in a module is named with a colon: mine:Mine",
        "-p mine.py:sys a.root": "processors in it: Mine",
        "-w 1x1x1GB --memory 4GB a.root": "--workers local:1x1x4GB, or less for a task",
        "-w 1 --cores 64000 a.root": "let a task ask for at most 1",
        "-p mine.py::Mine a.root": "perhaps mine.py:Mine",
        "-p mine.py:Mine --processor-args aa=3 a.root": "it takes a. Did you mean a?",
        "-o out.coffea a.root": "-o out has out/output.coffea",
        "a.root 000": "numbers are written without blanks, such as 100000 or 100k",
    }.items():
        assert call(f"wq-run {words}")[1][1].endswith(said)


@pytest.mark.parametrize("number", ["50,000", "50000", "100k", "1,000,000"])
def test_a_number_is_no_file(call: Call, number: str) -> None:
    code, lines = call(f"wq-run a.root {number}")
    assert code == 2
    assert f"a number is no file: --chunksize {number.replace(',', '')} (-c)" in lines[1]
    assert len(lines) == 3


def test_what_is_in_the_way_is_said_before_anything_is_made(call: Call, here: Path) -> None:
    (here / "gone.json").write_text('{"DY": ["/data/1.root", "/data/2.root"], "TT": ["a.root"]}')
    with socket.socket() as taken, socket.socket() as silent:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        silent.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{silent.getsockname()[1]}"
        for options, code, said in (
            (
                "-w condor:2 a.root",
                5,
                "condor_submit is not on PATH, so no condor workers can be started here",
            ),
            (
                "-e dask@lxplus -w 2 a.root",
                5,
                "condor_submit is not on PATH, so no condor workers can be started here",
            ),
            (f"-e dask@tcp://{nobody} a.root", 5, f"no Dask scheduler answers at tcp://{nobody}"),
            (f"--port {port} a.root", 5, f"the queue could not start: port {port} is taken"),
            (
                "-e futures gone.json",
                2,
                "/data/1.root, /data/2.root cannot be read: no such file here, where",
            ),
            (
                "-q long a.root",
                2,
                "the queue long is one of a batch system, and no workers are started by one",
            ),
        ):
            ended, lines = call(f"wq-run -p mine.py:Nothing {options}")
            assert (ended, lines[0][: len(said) + 7]) == (code, f"error: {said}")
    assert not list(here.glob("wq-run-*"))


def test_a_dry_run_says_all_of_it(call: Call, here: Path) -> None:
    (here / "gone.json").write_text('{"DY": ["/data/1.root"]}')
    code, lines = call("wq-run --dry-run -p mine.py:Mine -w condor@lxplus:20x2x6GB -q espresso a.root")
    assert code == 0
    assert 'workers      20 of condor, 2 cores, 6.0 GB each at lxplus (+JobFlavour = "espresso")' in lines
    assert "in the way   condor_submit is not on PATH, so no condor workers can be started here" in lines
    assert "environment  packed  (workers may be anywhere)" in lines
    _, lines = call("wq-run --dry-run -p mine.py:Mine -e futures -s 2 gone.json")
    assert "workers      2 processes here" in lines
    assert [
        line for line in lines if line.startswith("in the way   /data/1.root cannot be read: no such file")
    ]
    assert not list(here.glob("wq-run-*"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", None),
        ("--memory 1500MB", "memory 1500MB"),
        ("--memory 2G --cores 2 --disk 10GB", "2 cores, memory 2GB, disk 10GB"),
        ("--memory default=2GB,a*=4GB", "memory 2GB (4GB of a*)"),
        ("--memory a=4GB", "memory as learned (4GB of a)"),
        ("--gpus 1", "1 GPU"),
        ("-e futures --memory 2GB --disk 1GB", "memory 2GB"),
        ("-e iterative --memory 2GB", None),
    ],
)
def test_a_dry_run_says_what_tasks_ask_for(call: Call, options: str, said: str | None) -> None:
    code, lines = call(f"wq-run --dry-run -p mine.py:Mine {options} a.root")
    assert code == 0
    expected = [f"tasks        each asks for {said}"] if said else []
    assert [line for line in lines if line.startswith("tasks ")] == expected
    vain = {"-e futures --memory 2GB --disk 1GB": "--disk", "-e iterative --memory 2GB": "--memory"}
    if options in vain:
        assert [line for line in lines if line.endswith(f"without effect: {vain[options]}")]


@pytest.mark.parametrize("word", ["none", "NONE", "off", "no", False, " none "])
def test_no_catalog_is_no_host_and_no_proxy_no_file(word: str | bool) -> None:
    for kind in (types.CATALOG, types.PASSWORD, types.PROXY):
        assert kind.convert(word, None, None) == "none"
    assert types.CATALOG.convert("Local", None, None) == "local"
    assert types.CATALOG.convert("none.example:9097", None, None) == "none.example:9097"


def test_a_catalog_that_does_not_answer_is_said_first(call: Call) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{silent.getsockname()[1]}"
        code, lines = call(f"wq-run --dry-run -p mine.py:Mine --name dimuon --catalog {nobody} a.root")
    said = f"note         the catalog {nobody} does not answer (Connection refused): workers that ask it for "
    assert code == 0
    assert [line for line in lines if line.startswith(said + "dimuon find no run")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("sample a.root", "did you mean samples, a command of wq-run"),
        ("a.root stat", "did you mean status, a command of wq-run"),
        ("reports", "did you mean report, a command of wq-run"),
        ("run a.root", "wq-run runs without a word: leave it out"),
        ("resume", "the command of a run, given again, continues it"),
        ("stop out", "wq-run --stop DIR stops a run"),
        ("data", "no such file (looked in the current directory)"),
    ],
)
def test_a_word_that_may_be_a_command(call: Call, words: str, said: str) -> None:
    code, lines = call(f"wq-run {words}")
    assert code == 2
    assert said in " ".join(lines)


def test_the_commands_that_are_known_are_those_there_are() -> None:
    assert {*mistaken._COMMANDS} == {*run._PARTS, *run._PROGRAMS}
