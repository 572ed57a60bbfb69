"""PocketCoffea's run options: which keys mean one of ours, and what to do instead of the others.

They are those of `executor_options_defaults.yaml`, and what their executors look up besides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from wq_runner import units
from wq_runner.errors import nearest
from wq_runner.workers.batch import SYSTEMS

ALIASES = {
    "custom_setup_commands": "setup_command",
    "tree_reduction": "treereduction",
    "voms_proxy": "proxy",
}
"""Keys that mean an option of another name here; those of the same name need no word."""

VALUES: Mapping[str, Mapping[Any, tuple[str, Any]]] = {
    "ignore_grid_certificate": {True: ("proxy", "none"), "true": ("proxy", "none")}
}
"""Keys of which a value means one of an option here, and wins there; other values ask for nothing."""

_TIME = "not used; --batch-options says it: " + ", ".join(
    f"'{one.time_option}' to {one.title}" for one in SYSTEMS.values()
)
_OWN_ENVIRONMENT = "not used; the active environment is taken by itself, shipped or in place: --environment"
_ATTEMPTS = (
    "each cause of failure has its own number of attempts here, so this is not used; "
    "--max-failed and --skip-bad-files say what may be missing in the end"
)
_GATEWAY = (
    "not used; workers of Work Queue need no gateway (--workers SITE:N). A client of Dask Gateway goes "
    "by --executor-custom-setup FILE.py"
)
_JOBS = "not used; workers take tasks until all is done. Jobs without a manager are made by wq-run export"

ANSWERS = {
    "retries": _ATTEMPTS,
    "max_retries": _ATTEMPTS,
    "worker_image": "not used; the environment is shipped to the workers (--environment), and a container is "
    "part of a site (`image` in sites.yaml), or wq-workers submit --worker-image",
    "death_timeout": "not used; workers without work leave by themselves, and --wait-time ends a run to "
    "which none comes",
    "adaptive": "not used; --scaleout is the most there are, and workers without work leave by themselves",
    "performance_report": "not used; report.html is always written",
    "conda_env": _OWN_ENVIRONMENT,
    "local_virtualenv": _OWN_ENVIRONMENT,
    "walltime": _TIME,
    "max_run_time": _TIME,
    "starting_time": "not used; `at` or `sleep` start a command later",
    "group_samples": "not used; --outputs per-dataset writes a file for each dataset, and wq-report merge "
    "joins some",
    "split_by_category": "not used; the output is not split by category. Their `split-output` splits it "
    "afterwards",
    "eos_prefix": "not used; what a run leaves is in its directory, -o DIR, and --stage-out "
    "root://HOST//PATH copies it",
    "logs_dir": "not used; what workers say is in workers/ of the run's directory, -o DIR",
    "worker_debug": "not used; wq-run.log in the run's directory has all, and --loglevel debug shows it",
    "sched_url": "not used; -e dask@{value} runs on a scheduler that is there",
    "slurm": "not used as a block; its partition is `queue`, its account and scheduler-options are "
    "`batch-options`, and cpus and memory are cores-per-worker and mem-per-worker",
    "notify_user": "not used; nobody is written to. --batch-options says it to the batch system: "
    "'--mail-user={value} --mail-type=END' to Slurm, 'notify_user = {value}' to HTCondor",
    "gateway_address": _GATEWAY,
    "gateway_proxy_address": _GATEWAY,
    "dask_scheduler_port": "not used; the port of a run is --port",
    "requirements": "not used; --batch-options 'requirements = {value}' says it to HTCondor",
    "job_name": "not used; workers are found by --name {value}",
    "jobs_dir": _JOBS,
    "job_dir": _JOBS,
    "max_events_per_job": _JOBS,
    "recreate_jobs": "not used; the same command again goes on where the last one stopped",
    "recreate_queue": "not used; the same command again goes on where the last one stopped, with the --queue "
    "it is given",
    "blocklist_sites": "not used; hosts that only break things are left alone by themselves, and "
    "--redirector FROM=TO reads files elsewhere",
    "use_redirector": "not used; --redirector FROM=TO reads files elsewhere",
}
"""What is said of keys that mean nothing here, in `answer` with the value that they have."""

KEYS = (*ALIASES, *VALUES, *ANSWERS)

_ALIKE = 0.8  # of each word of a key, to be a slip of the pen; "task" for "worker" is another thing


def answer(name: str, value: Any) -> str:
    """Return what is said of a key that means nothing here, in its own value."""
    try:
        seconds = round(units.seconds(value))
    except ValueError:
        seconds = 0
    time = (
        f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}" if seconds else "HOURS:MINUTES:SECONDS"
    )
    said = {"{value}": str(value), "{time}": time, "{seconds}": str(seconds or "SECONDS")}
    text = ANSWERS[name]
    for place, one in said.items():
        text = text.replace(place, one)
    return text


def asks_for_nothing(value: Any) -> bool:
    """Say whether a key is as if it were not there."""
    return value is None or value is False or value == ""


def meant(name: str, value: Any) -> tuple[str, Any]:
    """Return which option a key sets, and to what; no option if the value asks for nothing."""
    if name in VALUES:
        key = value.strip().lower() if isinstance(value, str) else value
        return VALUES[name].get(key, ("", None))
    return ALIASES.get(name, name), value


def flattened(content: Mapping[str, Any], place: str, names: Collection[str]) -> tuple[dict[str, Any], str]:
    """Return a file's keys without its blocks, and what is said of these: in the order in which they count.

    A file may have a block `general` and others for sites and executors, as their defaults do: `place` is
    ``EXECUTOR@SITE``, ``EXECUTOR`` or empty. What stands in no block wins. `names` are those of options.
    """
    keys = {*names, *KEYS}
    blocks = {key: one for key, one in content.items() if _is_block(key, one, keys)}
    if not blocks:
        return dict(content), ""
    executor, _, site = place.partition("@")
    of_site = [name for name in blocks if site and str(name).endswith(f"@{site}")]
    exact = [place] if place in blocks else of_site[:1]
    taken = list(dict.fromkeys(name for name in ("general", site, executor, *exact) if name in blocks))
    found: dict[str, Any] = {}
    for name in taken:
        found |= blocks[name]
    said = f"none of its blocks counts here: {', '.join(map(str, blocks))}"
    if taken:
        said = f"of its blocks, {' and '.join(taken)} count{'s' * (len(taken) == 1)} here"
    return {**found, **{key: one for key, one in content.items() if key not in blocks}}, said


def _is_block(key: Any, value: Any, keys: Collection[str]) -> bool:
    """Whether it has options in it: of all, of a site, of an executor, or of one there."""
    if not isinstance(value, Mapping):
        return False
    of_site = key == "general" or "@" in str(key)
    return of_site or (_plain(key) not in keys and any(_plain(one) in keys for one in value))


def _plain(key: Any) -> str:
    return str(key).replace("-", "_")


def misspelt(key: str, known: list[str]) -> str:
    """Return the key that was meant, if only letters differ: ``scalout``, ``skipbadfiles``; or nothing.

    A name that has another word in it means something else, however many letters it shares.
    """
    key = key.replace("_", "-").lower()
    bare = {one.replace("-", ""): one for one in known}
    if key.replace("-", "") in bare:
        return bare[key.replace("-", "")]
    words = key.split("-")
    alike = [
        one
        for one in known
        if len(parts := one.split("-")) == len(words)
        and all(a == b or _close(a, b) for a, b in zip(words, parts, strict=True))
    ]
    return nearest(key, alike) or ""


def _close(one: str, other: str) -> bool:
    from difflib import SequenceMatcher

    if min(len(one), len(other)) <= 3:
        return False
    return other.startswith(one) or SequenceMatcher(None, one, other).ratio() >= _ALIKE
