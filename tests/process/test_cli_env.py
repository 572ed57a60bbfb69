"""`wq-env` as its users call it, on a store with stand-ins."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import running
from repositories import Repository

from wq_runner.environment.store import Layer, Store


def packages(**versions: str) -> list[dict[str, str]]:
    return [
        {"name": name, "version": version, "build": "0", "digest": "", "origin": "conda"}
        for name, version in versions.items()
    ]


def source(commit: str, *, changed: bool = False) -> dict[str, Any]:
    label = f"dimuon@{commit[:7]}{'+changes-c07d' if changed else ''}"
    return {
        "name": "dimuon", "path": "/home/me/dimuon", "commit": commit, "tree": "c07d", "changed": changed,
        "label": label, "nested": [],
    }  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(root=tmp_path / "wq-runner" / "environments")

    def add(layer: Layer, key: str, **manifest: Any) -> None:
        def make(place: Path) -> dict[str, Any]:
            (place / "base.tar.gz").write_bytes(b"x" * 2**20)
            return manifest

        entry, _ = found.build(layer, key, make)
        (entry.path / "used").touch()

    add(
        Layer.BASE,
        "py311-coffea2026.9-3f9c1a",
        origin="/opt/env",
        packages=packages(python="3.11.7", coffea="1"),
    )
    add(Layer.BASE, "py312-coffea2026.9-77aa00", packages=packages(python="3.12.1", coffea="1", numba="2"))
    add(Layer.OVERLAY, "8be21f4c", sources=[source("8be21f4" * 5)], digests={"site/a.py": "1" * 40})
    add(
        Layer.OVERLAY,
        "c07dc07d",
        sources=[source("8be21f4" * 5, changed=True)],
        digests={"site/a.py": "2" * 40, "site/b.py": "3" * 40},
    )
    return found


@pytest.fixture
def wq_env(tmp_path: Path, store: Store) -> Any:
    def call(*arguments: object) -> running.Ended:
        return running.run(*arguments, cwd=tmp_path, name="wq-env", XDG_CACHE_HOME=str(tmp_path))

    return call


def test_list(wq_env: Any, store: Store) -> None:
    lease = store.lease(*store.entries(Layer.BASE)[:1])
    lines = wq_env("list").out.splitlines()
    assert lines[0].split() == ["layer", "key", "size", "last", "used", "users", "what"]
    assert len(lines) == 6
    assert any(line.endswith("dimuon@8be21f4+changes-c07d") for line in lines)
    assert [line.split()[1] for line in lines if re.search(r"now +1\b", line)] == [store.entries()[0].key]
    assert lines[-1].startswith("4.0 MB in ")
    lease.release()


def test_show(wq_env: Any) -> None:
    shown = wq_env("show", "3f9c1a").out
    assert "base py311-coffea2026.9-3f9c1a" in shown
    assert "    python 3.11.7 0  (conda)" in shown
    assert "/opt/env" in shown
    shown = wq_env("show", "c07d").out
    assert f"/home/me/dimuon: {'8be21f4' * 5} and changes" in shown
    assert "    site/b.py" in shown


def test_show_names_the_commit(wq_env: Any, store: Store, tmp_path: Path) -> None:
    repo = Repository(tmp_path / "dimuon")
    repo.root.mkdir()
    repo.git("init", "-q")
    repo.write("a.py", "")
    commit = repo.commit("Cut on pt")
    store.build(Layer.OVERLAY, "ffff", lambda _: {"sources": [{**source(commit), "path": str(repo.root)}]})
    assert " t: Cut on pt" in wq_env("show", "ffff").out


def test_diff(wq_env: Any) -> None:
    assert wq_env("diff", "3f9c1a", "77aa00").out.splitlines() == [
        "+ numba 2 0",
        "~ python 3.11.7 0 -> 3.12.1 0",
    ]
    assert wq_env("diff", "8be21f4c", "c07dc07d").out.splitlines() == [
        "+ site/b.py 33333333",
        "~ site/a.py 11111111 -> 22222222",
        "~ source dimuon dimuon@8be21f4 -> dimuon@8be21f4+changes-c07d",
    ]
    assert wq_env("diff", "3f9c1a", "3f9c1a").out == "the same in both\n"
    assert "is a base, c07dc07d a overlay" in wq_env("diff", "3f9c1a", "c07dc07d").error


def test_keys_that_are_not_clear(wq_env: Any) -> None:
    ended = wq_env("show", "py31")
    assert (ended.code, "may be py31" in ended.error) == (2, True)
    ended = wq_env("show", "nothing")
    assert (ended.code, "no environment nothing in " in ended.error) == (2, True)


def test_clean(wq_env: Any, store: Store) -> None:
    ended = wq_env("clean")
    assert (ended.code, "say what to delete" in ended.error) == (2, True)
    used = store.find(Layer.BASE, "py311-coffea2026.9-3f9c1a")
    assert used is not None
    lease = store.lease(used)
    assert "in use   py311-coffea2026.9-3f9c1a" in wq_env("clean", "3f9c1a").out
    old = store.find(Layer.OVERLAY, "8be21f4c")
    assert old is not None
    os.utime(old.path / "used", (0, 0))
    assert wq_env("clean", "--unused", "30d").out.splitlines() == ["deleted  8be21f4c", "1.0 MB freed"]
    assert wq_env("clean", "--max-cache", "2MB").code == 0
    assert len(store.entries()) == 2
    ended = wq_env("clean", "--all")
    assert [entry.key for entry in store.entries()] == [used.key]
    lease.release()
    wq_env("clean", "--all")
    assert store.entries() == []
    assert wq_env("list").out == f"nothing is in {store.root}\n"


def test_a_failed_build_ends_with_4(wq_env: Any, tmp_path: Path) -> None:
    spec = tmp_path / "spec.yml"
    spec.write_text("channels: ['file:///nonexistent']\ndependencies: [python]\n")
    ended = wq_env("build", spec, "--builder", "rattler")
    assert ended.code == 4
    assert "rattler could not make an environment" in ended.error
    log = ended.error.split("all output is in ")[1].strip()
    assert "file:///nonexistent" in Path(log).read_text()


def test_mistakes(wq_env: Any, tmp_path: Path) -> None:
    assert "no command lsit. Did you mean list?" in wq_env("lsit").error
    assert "no such file" in wq_env("build", "missing.yml").error
    (tmp_path / "plain").mkdir()
    ended = wq_env("build", "plain")
    assert (ended.code, "neither a conda environment nor a virtual one" in ended.error) == (4, True)
    assert "wq-env list" in wq_env("--help").out or "list" in wq_env("--help").out


def test_the_manifest_is_plain_json(store: Store) -> None:
    for entry in store.entries():
        assert json.loads((entry.path / "manifest.json").read_text())["key"] == entry.key
