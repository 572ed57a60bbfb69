"""What a task imports of us needs no more than what is shipped: environments/worker.yml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

from wq_runner.environment.smoke import NEEDED
from wq_runner.executors.environments import OURS

CODE = """
import importlib, sys
class Manager:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(name + " is for the manager", name=name)
sys.meta_path.insert(0, Manager())
for name in {modules}:
    importlib.import_module(name)
"""
ONLY_THE_MANAGER = (
    "click",
    "conda_pack",
    "filelock",
    "git",
    "ndcctools",
    "platformdirs",
    "rattler",
    "venv_pack",
)


def test_without_what_only_the_manager_has() -> None:
    code = CODE.format(blocked=ONLY_THE_MANAGER, modules=(*NEEDED, *OURS))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_every_task_needs_is_in_the_list() -> None:
    root = Path(__file__).parents[3]
    listed = yaml.safe_load((root / "environments/worker.yml").read_text())["dependencies"]
    names = {one.split()[0] for one in listed}
    # cloudpickle comes with coffea
    assert {name.partition(".")[0] for name in NEEDED} - {"cloudpickle"} <= names
