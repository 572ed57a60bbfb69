"""Options of other programs that are typed out of habit, and what does the same here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wq_runner.config import pocketcoffea
from wq_runner.workers.batch import SYSTEMS, several

_WORKERS = "--workers local:{value} (-w) or --scaleout {value} (-s) sets the number of workers"
_EVENTS = "events are limited by chunks: --limit-chunks 1 --chunksize {value}, of each dataset"
_CHUNKS = "--limit-chunks {value} limits the chunks of each dataset"
_FILES = "--limit-files {value} limits the files of each dataset"
_SAMPLES = "samples are named at the end, without an option: wq-run ... {value}"
_PROCESSOR = "--processor FILE.py:NAME (-p) names the processor"
_OUTPUT = "--output {value} (-o) sets the directory of the output"
_OUTFILE = (
    "--output DIR (-o) sets the directory of the output, in which output.coffea is the result; "
    "--outputs says in how many files"
)
_LOUD = "--loglevel {level} (-ll) sets how much the terminal shows; wq-run.log has everything"
_BATCH = "--batch-options '{option}={value}' passes options to the batch system"
_ARGUMENT = (
    "arguments of the processor are --processor-args NAME=VALUE, in the names that its class gives them; "
    "an instance that your own module makes can be named too: -p FILE.py:NAME"
)
_PREFIX = "a line in a .cfg goes before the names of files, and --redirector FROM=TO reads them elsewhere"
_ALL = "a run goes on by itself, over all files: the same command continues where the last one stopped"
_DO = "the same command continues where the last one stopped, without an option"

_OF_PROCESSORS = (
    # HiggsDNA
    *("--no-trigger", "--triggerGroup", "--skipCQR", "--applyCQR", "--skipJetVetoMap", "--fiducialCuts"),
    *("--doDeco", "--Smear_sigma_m", "--Smear-sigma-m", "--doFlow_corrections", "--doFlow-corrections"),
    *("--output_format", "--output-format", "--nano-version", "--validate-with-electrons"),
    # BTVNanoCommissioning
    *("--campaign", "--isSyst", "--isCorr", "--isArray", "--noHist", "--ttaddsys"),
    # TopEFT
    *(
        "--do-errors",
        "--do-systs",
        "--do-np",
        "--do-renormfact-envelope",
        "--split-lep-flavor",
        "--offZ-split",
    ),
    *("--tau_h_analysis", "--fwd-analysis", "--all-analysis", "--skip-sr", "--skip-cr", "--ecut"),
    *("--wc-list", "--hist-list"),
)
"""Options of run_analysis.py and runner.py that go to the processor."""

_BY_HABIT: Mapping[str, str] = {
    **dict.fromkeys(
        ("-n", "-j", "--jobs", "--nworkers", "--n-workers", "--num-workers", "--njobs"), _WORKERS
    ),
    **dict.fromkeys(("--ncores", "--ncpus", "--nproc", "--np", "--threads"), _WORKERS),
    **dict.fromkeys(("--nevents", "--max-events", "--maxevents", "--limit-events", "--events"), _EVENTS),
    **dict.fromkeys(("--nchunks", "--n-chunks", "--maxchunks", "--max-chunks", "--max"), _CHUNKS),
    **dict.fromkeys(("--nfiles", "--n-files", "--maxfiles", "--max-files", "--limit"), _FILES),
    **dict.fromkeys(
        ("-i", "--input", "--inputs", "--json", "--samplejson", "--samples", "--fileset"), _SAMPLES
    ),
    **dict.fromkeys(("--json-analysis", "--dataset", "--datasets", "--files", "--cfg"), _SAMPLES),
    **dict.fromkeys(("--wf", "--workflow", "--analysis", "--module"), _PROCESSOR),
    **dict.fromkeys(("--outputdir", "--outdir", "--outpath", "--outname", "--out", "--dump"), _OUTPUT),
    **dict.fromkeys(("--output-dir", "--out-dir", "--output-path", "--dest"), _OUTPUT),
    **dict.fromkeys(("--outfile", "--out-file", "--outputfile", "--output-file", "--ofile"), _OUTFILE),
    **dict.fromkeys(("-v", "--verbose"), _LOUD.format(level="info")),
    **dict.fromkeys(("-d", "--debug"), _LOUD.format(level="debug")),
    **dict.fromkeys(("--quiet", "--silent"), _LOUD.format(level="error")),
    **dict.fromkeys(("--account", "--time", "--partition", "--constraint", "--qos", "--mail-user"), _BATCH),
    "--partition": "--queue {value} (-q) sets the queue or partition",
    **dict.fromkeys(("--resume", "--continue", "--restart"), _DO),
    **dict.fromkeys(("-f", "--force", "--overwrite"), "--fresh starts over"),
    "-x": "--executor {value} (-e) sets the executor",
    **dict.fromkeys(
        ("--mem", "--mem-per-task", "--max-memory"), "--memory {value} sets the memory of a task"
    ),
    **dict.fromkeys(("--year", "--era", "--sample"), "--only {key}={value} chooses datasets"),
    **dict.fromkeys(("--filter-datasets", "--filter-samples"), "--only {value} chooses datasets"),
    "--filter-years": "--only year={value} chooses datasets",
    **dict.fromkeys(("--voms", "--x509"), "--proxy {value} names the proxy, which is also found without it"),
    **dict.fromkeys(("--pretend", "--dry", "-N"), "--dry-run shows what would be done"),
    **dict.fromkeys(("--manager-name", "--master-name", "-M"), "--name {value} sets the name of the manager"),
    **dict.fromkeys(("--config", "--options"), "--run-options {value} (-ro) reads options from a file"),
    **dict.fromkeys(
        ("--args", "--kwargs", "--param", "-a"), "--processor-args {value} passes arguments to the processor"
    ),
    **dict.fromkeys(
        ("--local", "--interactive"), "--workers local:4 runs on this machine, -e iterative in one process"
    ),
    **dict.fromkeys(
        (f"--{name}" for name in SYSTEMS), "--workers {key}:20 starts workers in the batch system"
    ),
    **dict.fromkeys(("--prefix", "-r", "--xrd"), _PREFIX),
    **dict.fromkeys(("--index", "--fsize"), _ALL),
    "--save": "output.coffea in the directory of --output (-o) is always written",
    "--max-scaleout": "--scaleout {value} (-s) is the most workers there are",
    "--validate": "wq-samples check SAMPLES opens the files, and changes nothing",
    "--chunk": "--chunksize {value} (-c) sets the events of a chunk",
    **dict.fromkeys(_OF_PROCESSORS, _ARGUMENT),
    "--cluster": f"--workers {several('{}:20')} starts workers in a batch system (wq-workers sites list)",
}


def answer(option: str, words: Sequence[str]) -> str | None:
    """Say what does here what an option does elsewhere, in the value that it was given on the line."""
    text = _BY_HABIT.get(option)
    key = option.lstrip("-")
    value = _value(option, words)
    name = key.replace("-", "_")
    if text is None and name in pocketcoffea.ANSWERS:
        return pocketcoffea.answer(name, value or key.upper())
    if text is None:
        return None
    for place, one in {"{value}": value or "N", "{option}": option, "{key}": key}.items():
        text = text.replace(place, one)
    return text


def _value(option: str, words: Sequence[str]) -> str:
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == option:
            after = words[place + 1 : place + 2]
            return value if equals else "" if not after or after[0].startswith("-") else after[0]
        if len(option) == 2 and word.startswith(option):
            return word[2:]
    return ""
