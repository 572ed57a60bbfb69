"""PocketCoffea's run options: which keys mean one of ours, and what to do instead of the others."""

from __future__ import annotations

ALIASES = {"custom_setup_commands": "setup_command", "tree_reduction": "treereduction"}
"""Keys that mean an option of another name here; those of the same name need no word."""

ANSWERS = {
    "retries": "each cause of failure has its own number of attempts here, so this is not used; "
    "--max-failed and --skip-bad-files say what may be missing in the end",
    "voms_proxy": "not used; export X509_USER_PROXY=FILE, and workers of a batch system get it as their site "
    "says (wq-workers sites show SITE)",
    "worker_image": "not used; the environment is shipped to the workers (--environment), and a container is "
    "part of a site (`image` in sites.yaml), or wq-workers submit --worker-image",
    "death_timeout": "not used; workers without work leave by themselves, and --wait-time ends a run to "
    "which none comes",
    "adaptive": "not used; --scaleout is the most there are, and workers without work leave by themselves",
    "performance_report": "not used; report.html is always written",
    "conda_env": "not used; the active environment is taken by itself, shipped or in place: --environment",
    "local_virtualenv": "not used; the active environment is taken by itself, shipped or in place: "
    "--environment",
    "walltime": "not used; --batch-options '--time=6:00:00' says it to Slurm, '+MaxRuntime = 21600' to "
    "HTCondor",
    "starting_time": "not used; `at` or `sleep` start a command later",
    "group_samples": "not used; --outputs per-dataset writes a file for each dataset, and wq-report merge "
    "joins some",
}
"""What is said of keys that mean nothing here."""

KEYS = (*ALIASES, *ANSWERS)
