"""A run is finished when all that was asked for is accounted for, and not when all that is known is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nanoaod
import running

import wq_runner

COMMON = ("-p", f"{running.ANALYSIS}:Sums", "--schema", "BaseSchema", "-e", "iterative", "-o", "out")


def write(path: Path, datasets: dict[str, list[Path]]) -> None:
    path.write_text(
        json.dumps(
            {name: {"files": list(map(str, files)), "metadata": {}} for name, files in datasets.items()}
        )
    )


def entries(*options: object, cwd: Path) -> int:
    running.run_well(*COMMON, *options, "samples.json", cwd=cwd)
    found: int = running.output(cwd / "out")["entries"]
    return found


def test_what_is_new_in_the_samples_is_processed(tmp_path: Path) -> None:
    files = [nanoaod.write_simple(tmp_path / f"{number}.root", 100) for number in range(4)]
    write(tmp_path / "samples.json", {"one": files[:2]})
    assert entries("--limit-files", 1, cwd=tmp_path) == 100
    assert entries(cwd=tmp_path) == 200
    write(tmp_path / "samples.json", {"one": files[:3]})
    assert entries(cwd=tmp_path) == 300
    write(tmp_path / "samples.json", {"one": files[:3], "two": files[3:]})
    assert entries(cwd=tmp_path) == 400
    assert entries("--skip", "one", cwd=tmp_path) == 100
    again = running.run_well(*COMMON, "--skip", "one", "samples.json", cwd=tmp_path)
    assert "is there already" in again.out


def test_a_file_that_was_left_out_is_tried_again(tmp_path: Path) -> None:
    files = [nanoaod.write_simple(tmp_path / f"{number}.root", 100) for number in range(2)]
    whole = files[1].read_bytes()
    files[1].write_bytes(whole[:1000])
    write(tmp_path / "samples.json", {"one": files})
    command = (*COMMON, "--skip-bad-files", "samples.json")
    assert running.run(*command, cwd=tmp_path).code == 3
    assert running.run(*command, cwd=tmp_path).code == 3
    files[1].write_bytes(whole)
    running.run_well(*command, cwd=tmp_path)
    assert running.output(tmp_path / "out")["entries"] == 200
    shutil.rmtree(tmp_path / "out" / "ledger")
    assert "is there already" in running.run_well(*command, cwd=tmp_path).out


def test_files_that_only_our_own_code_names_are_nothing_of_the_result(tmp_path: Path) -> None:
    """Nor where it lies behind a link and is not installed, as in exported jobs."""
    shutil.copytree(Path(wq_runner.__file__).parent, tmp_path / "unpacked" / "wq_runner")
    (tmp_path / "site").symlink_to("unpacked")
    write(tmp_path / "samples.json", {"one": [nanoaod.write_simple(tmp_path / "0.root", 100)]})
    (tmp_path / "mine.py").write_text(running.ANALYSIS.read_text())  # which has tables opened unseen
    command = ("-p", "mine.py:Sums", *COMMON[2:], "samples.json")
    said = []
    for content in ("1", "2"):
        (tmp_path / "overlay.tar.gz").write_text(content)
        said.append(running.run_well(*command, cwd=tmp_path, PYTHONPATH=str(tmp_path / "site")).out)
    assert "is there already" in said[-1]


def test_files_that_were_datasets_are_one_now_and_were_not_thrown_away(tmp_path: Path) -> None:
    files = [nanoaod.write_simple(tmp_path / "DY" / f"{number}.root", 100) for number in range(2)]
    each = running.run_well(*COMMON, "--dataset-per-file", *files, cwd=tmp_path)
    assert [*running.summary(tmp_path / "out")["datasets"]] == ["0", "1"], each.out
    one = running.run_well(*COMMON, *files, cwd=tmp_path)
    assert "DY has the files of 0, 1, which were datasets before: their events run again" in one.out
    assert running.output(tmp_path / "out")["by dataset"] == {"DY": 200}
    named = wq_runner.run(
        files,
        f"{running.ANALYSIS}:Sums",
        schema="BaseSchema",
        executor="iterative",
        dataset="Z",
        output=tmp_path / "named",
    )
    assert named.output["by dataset"] == {"Z": 200}
    back = running.run_well(*COMMON, "--dataset-per-file", *files, cwd=tmp_path)
    assert "back " in back.out
    assert running.output(tmp_path / "out")["by dataset"] == {"0": 100, "1": 100}
