"""Options of other programs that are typed out of habit, and what does the same here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wq_runner.config import pocketcoffea

_WORKERS = "how many workers is said by --workers local:{value} (-w), or --scaleout {value} (-s)"
_EVENTS = "a run takes chunks: --limit-chunks 1 --chunksize {value}, of each dataset"
_CHUNKS = "how many chunks of each dataset is said by --limit-chunks {value}"
_FILES = "how many files of each dataset is said by --limit-files {value}"
_SAMPLES = "samples are named without an option, at the end: wq-run ... {value}"
_PROCESSOR = "the processor is named by --processor FILE.py:NAME (-p)"
_OUTPUT = "where the output goes is said by --output {value} (-o), a directory"
_LOUD = "how much the terminal shows is said by --loglevel {level} (-ll); wq-run.log has all"
_BATCH = "options of the batch system are --batch-options '{option}={value}'"
_DO = "the same command goes on where the last one stopped, without an option"

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
    **dict.fromkeys(("-v", "--verbose"), _LOUD.format(level="info")),
    **dict.fromkeys(("-d", "--debug"), _LOUD.format(level="debug")),
    **dict.fromkeys(("--quiet", "--silent"), _LOUD.format(level="error")),
    **dict.fromkeys(("--account", "--time", "--partition", "--constraint", "--qos", "--mail-user"), _BATCH),
    "--partition": "the queue or partition is said by --queue {value} (-q)",
    **dict.fromkeys(("--resume", "--continue", "--restart"), _DO),
    **dict.fromkeys(("-f", "--force", "--overwrite"), "starting over is --fresh"),
    "-x": "the executor is said by --executor {value} (-e)",
    **dict.fromkeys(("--mem", "--mem-per-task", "--max-memory"), "memory of a task is --memory {value}"),
    **dict.fromkeys(("--year", "--era", "--sample"), "datasets are chosen by --only {key}={value}"),
    **dict.fromkeys(("--filter-datasets", "--filter-samples"), "datasets are chosen by --only {value}"),
    "--filter-years": "datasets are chosen by --only year={value}",
    **dict.fromkeys(("--voms", "--x509"), "the proxy is said by --proxy {value}, and found by itself"),
    **dict.fromkeys(("--pretend", "--dry", "-N"), "what would be done is shown by --dry-run"),
    **dict.fromkeys(("--manager-name", "--master-name", "-M"), "the name of the manager is --name {value}"),
    **dict.fromkeys(("--config", "--options"), "a file of options is --run-options {value} (-ro)"),
    **dict.fromkeys(
        ("--args", "--kwargs", "--param", "-a"), "arguments of the processor are --processor-args {value}"
    ),
    **dict.fromkeys(
        ("--local", "--interactive"), "this machine is --workers local:4, one process -e iterative"
    ),
    **dict.fromkeys(("--condor", "--slurm"), "a batch system is asked for by --workers {key}:20"),
    "--cluster": "a batch system is asked for by --workers condor:20 or slurm:20 (wq-workers sites list)",
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
