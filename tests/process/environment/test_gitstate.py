"""What git sees of a working tree, and that the user's repository never notices."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from repositories import Repository

from wq_runner.environment.gitstate import GitTree, open_git
from wq_runner.environment.trees import PlainTree

Make = Callable[..., Repository]
Look = Callable[[Path], GitTree]


def seen(look: Look, root: Path, *within: Path) -> dict[str, str]:
    tree = look(root)
    return {str(one.path.relative_to(tree.root)): one.digest for one in tree.contents(within or [root])}


def exported(look: Look, root: Path, destination: Path) -> dict[str, str]:
    tree = look(root)
    tree.export(tree.contents([root]), destination)
    return {
        str(path.relative_to(destination)): path.read_text()
        for path in destination.rglob("*")
        if path.is_file()
    }


def snapshot(root: Path) -> dict[str, tuple[int, bytes]]:
    """Everything in .git, to see that nothing of it changes. (git renews the time of an object it meets.)"""
    return {
        str(path): (0 if "objects" in path.parts else path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted((root / ".git").rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def mixed(repository: Make) -> Repository:
    """A repository with a file of every kind."""
    repo = repository()
    repo.write(".gitignore", "*.log\nignored/\n")
    for name in ("committed.py", "staged.py", "unstaged.py", "deleted.py"):
        repo.write(name, "1")
    repo.commit()
    repo.write("staged.py", "2")
    repo.git("add", "staged.py")
    repo.write("unstaged.py", "22")
    repo.write("untracked.py", "3")
    repo.write("ignored/file.py", "4")
    repo.write("run.log", "5")
    (repo.root / "deleted.py").unlink()
    return repo


def test_the_working_tree_as_it_is(mixed: Repository, look: Look, tmp_path: Path) -> None:
    assert exported(look, mixed.root, tmp_path / "out") == {
        ".gitignore": "*.log\nignored/\n",
        "committed.py": "1",
        "staged.py": "2",
        "unstaged.py": "22",
        "untracked.py": "3",
    }


def test_the_repository_is_never_touched(mixed: Repository, look: Look, tmp_path: Path) -> None:
    status = mixed.git("status", "--porcelain")
    before = snapshot(mixed.root)
    tree = look(mixed.root)
    tree.export(tree.contents([mixed.root]), tmp_path / "out")
    tree.source()
    tree.patch()
    assert snapshot(mixed.root) == before
    assert mixed.git("status", "--porcelain") == status


def test_the_same_content_is_the_same_however_it_came(repository: Make, look: Look) -> None:
    repo = repository()
    repo.write("a.py", "1")
    repo.commit()
    first = seen(look, repo.root)
    repo.write("a.py", "2")
    unstaged = seen(look, repo.root)
    repo.git("add", "a.py")
    assert seen(look, repo.root) == unstaged != first
    repo.commit()
    assert seen(look, repo.root) == unstaged
    repo.write("a.py", "1")
    assert seen(look, repo.root) == first


def test_a_change_within_the_same_second_and_size(repository: Make, look: Look) -> None:
    repo = repository()
    repo.write("a.py", "1")
    repo.commit()
    for number in range(2, 8):
        before = seen(look, repo.root)
        repo.write("a.py", str(number))
        assert seen(look, repo.root) != before


def test_states_are_named(repository: Make, look: Look) -> None:
    repo = repository()
    repo.write("a.py", "1")
    assert str(look(repo.root).source()).endswith("(no commit)")
    commit = repo.commit()
    tree = look(repo.root)
    tree.contents([repo.root])
    source = tree.source()
    assert (source.commit, source.changed, str(source)) == (commit, False, f"analysis@{commit[:7]}")
    repo.write("b.py", "1")
    tree = look(repo.root)
    tree.contents([repo.root])
    assert str(tree.source()).startswith(f"analysis@{commit[:7]}+changes-")


def test_without_any_commit(repository: Make, look: Look, tmp_path: Path) -> None:
    repo = repository()
    repo.write("a.py", "1")
    repo.write("b.py", "2")
    repo.git("add", "b.py")
    assert exported(look, repo.root, tmp_path / "out") == {"a.py": "1", "b.py": "2"}


def test_names_with_spaces_and_beyond_ascii(repository: Make, look: Look, tmp_path: Path) -> None:
    repo = repository("ana lysis é ü")
    names = {"a b.py": "1", "früh/μ.py": "2", "quote'\".py": "3", "[x]*.py": "4", ":colon.py": "5"}
    for name, text in names.items():
        repo.write(name, text)
    repo.commit()
    repo.write("früh/μ.py", "22")
    (repo.root / os.fsdecode(b"not\xff-text.py")).write_text("6")
    found = exported(look, repo.root, tmp_path / "out")
    assert found == names | {"früh/μ.py": "22", os.fsdecode(b"not\xff-text.py"): "6"}
    assert list(seen(look, repo.root, repo.root / "früh")) == ["früh/μ.py"]
    assert list(seen(look, repo.root, repo.root / "[x]*.py")) == ["[x]*.py"]


def test_submodules_as_they_are_in_the_working_tree(repository: Make, look: Look, tmp_path: Path) -> None:
    inner = repository("inner")
    inner.write("lib.py", "1")
    inner.commit()
    repo = repository("outer")
    repo.write("a.py", "1")
    repo.git("submodule", "add", "-q", str(inner.root), "deep/inner")
    repo.commit()
    clean = seen(look, repo.root)
    assert set(clean) == {".gitmodules", "a.py", "deep/inner/lib.py"}
    inside = Repository(repo.root / "deep/inner")
    inside.write("lib.py", "2")
    inside.write("new.py", "3")
    changed = seen(look, repo.root)
    assert changed["deep/inner/lib.py"] != clean["deep/inner/lib.py"]
    assert set(seen(look, repo.root, repo.root / "deep")) == {"deep/inner/lib.py", "deep/inner/new.py"}
    assert exported(look, repo.root, tmp_path / "out")["deep/inner/lib.py"] == "2"
    tree = look(repo.root)
    tree.contents([repo.root])
    assert tree.source().changed
    assert "+3" in tree.patch()


def test_a_repository_inside_that_is_no_submodule(repository: Make, look: Look) -> None:
    repo = repository("outer")
    repo.write("a.py", "1")
    inner = Repository(repo.root / "inner")
    inner.root.mkdir()
    inner.git("init", "-q")
    inner.write("lib.py", "1")
    inner.commit()
    assert set(seen(look, repo.root)) == {"a.py", "inner/lib.py"}


def test_worktrees(repository: Make, look: Look, tmp_path: Path) -> None:
    repo = repository()
    repo.write("a.py", "1")
    repo.commit()
    other = tmp_path / "other"
    repo.git("worktree", "add", "-q", "-b", "try", str(other))
    (other / "a.py").write_text("2")
    (other / "b.py").write_text("3")
    assert exported(look, other, tmp_path / "out") == {"a.py": "2", "b.py": "3"}
    assert set(seen(look, repo.root)) == {"a.py"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_dubious_ownership(repository: Make, look: Look) -> None:
    repo = repository()
    repo.write("a.py", "1")
    repo.commit()
    for path in [repo.root, *repo.root.rglob("*")]:
        os.chown(path, 12345, 12345, follow_symlinks=False)
    refused = subprocess.run(["git", "status"], cwd=repo.root, capture_output=True, text=True, check=False)
    assert "dubious ownership" in refused.stderr
    assert set(seen(look, repo.root)) == {"a.py"}
    assert look(repo.root).source().commit


def test_files_that_git_was_told_not_to_look_at(repository: Make, look: Look) -> None:
    repo = repository()
    repo.write("a.py", "1")
    repo.commit()
    repo.git("update-index", "--assume-unchanged", "a.py")
    before = seen(look, repo.root)
    repo.write("a.py", "2")
    assert seen(look, repo.root) != before


def test_settings_and_variables_of_the_user_do_not_matter(
    repository: Make, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = repository()
    repo.write("a.py", "1")
    repo.commit()
    before = seen(look, repo.root)
    for name, value in (
        ("core.fsmonitor", "false"),
        ("core.splitIndex", "true"),
        ("core.untrackedCache", "true"),
        ("core.autocrlf", "input"),
        ("core.safecrlf", "true"),
        ("core.quotePath", "true"),
        ("status.showUntrackedFiles", "no"),
    ):
        repo.git("config", name, value)
    repo.git("update-index", "--split-index")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nonexistent")
    monkeypatch.setenv("LC_ALL", "C")
    assert seen(look, repo.root) == before


def test_in_the_middle_of_a_merge(repository: Make, look: Look, tmp_path: Path) -> None:
    repo = repository()
    repo.write("a.py", "1")
    repo.commit()
    repo.git("switch", "-qc", "other")
    repo.write("a.py", "2")
    repo.commit()
    repo.git("switch", "-q", "main")
    repo.write("a.py", "3")
    repo.commit()
    with pytest.raises(subprocess.CalledProcessError):
        repo.git("merge", "-q", "other")
    assert "<<<<<<<" in exported(look, repo.root, tmp_path / "out")["a.py"]


def test_links_and_modes_are_kept(repository: Make, look: Look, tmp_path: Path) -> None:
    repo = repository()
    repo.write("run.sh", "1").chmod(0o755)
    (repo.root / "link.py").symlink_to("run.sh")
    tree = look(repo.root)
    tree.export(tree.contents([repo.root]), tmp_path / "out")
    assert (tmp_path / "out" / "link.py").readlink() == Path("run.sh")
    assert os.access(tmp_path / "out" / "run.sh", os.X_OK)


def test_what_is_no_code_stays_here(repository: Make, look: Look) -> None:
    repo = repository()
    repo.write("a.py", "1")
    repo.write("events.root", "data")
    repo.write("wq-run-samples/journal.jsonl", "")
    repo.write("wq-run-samples/output.coffea", "x")
    repo.write("env/pyvenv.cfg", "")
    repo.write("env/lib/x.py", "")
    repo.write("__pycache__/a.cpython-311.pyc", "x")
    with (repo.root / "large.bin").open("wb") as stream:
        stream.truncate(60 * 2**20)
    tree = look(repo.root)
    assert [one.path.name for one in tree.contents([repo.root])] == ["a.py"]
    assert tree.skipped[repo.root / "large.bin"] == "60 MB"


def test_the_patch_gives_the_working_tree_back(mixed: Repository, look: Look, tmp_path: Path) -> None:
    mixed.write("picture.bin", "\0\1\2")
    tree = look(mixed.root)
    tree.contents([mixed.root])
    patch = tmp_path / "changes.patch"
    patch.write_text(tree.patch(), errors="surrogateescape")
    clone = Repository(tmp_path / "clone")
    mixed.git("clone", "-q", str(mixed.root), str(clone.root))
    clone.git("apply", str(patch))
    assert seen(look, clone.root) == seen(look, mixed.root)


def test_a_read_only_repository(mixed: Repository, look: Look) -> None:
    objects = mixed.root / ".git" / "objects"
    objects.chmod(0o555)
    try:
        assert "untracked.py" in seen(look, mixed.root)
    finally:
        objects.chmod(0o755)


def test_no_git_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "analysis").mkdir()
    assert open_git(tmp_path / "analysis", tmp_path) is None
    monkeypatch.setenv("PATH", "/nonexistent")
    assert shutil.which("git") is None
    assert open_git(tmp_path / "analysis", tmp_path) is None


def test_a_plain_directory_is_python_files_and_packages(tmp_path: Path) -> None:
    for name in (
        "a.py",
        "notes.txt",
        "pkg/__init__.py",
        "pkg/data.json",
        "pkg/sub/x.txt",
        "other/b.py",
        ".hidden.py",
    ):
        path = tmp_path / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    tree = PlainTree(tmp_path / "home")
    contents = tree.contents([tree.root])
    found = {str(one.path.relative_to(tree.root)) for one in contents}
    assert found == {"a.py", "pkg/__init__.py", "pkg/data.json", "pkg/sub/x.txt"}
    tree.export(contents, tmp_path / "out")
    assert (tmp_path / "out/pkg/data.json").read_text() == "pkg/data.json"
    before = {one.digest for one in contents}
    (tmp_path / "home/a.py").write_text("changed")
    assert {one.digest for one in tree.contents([tree.root])} != before
