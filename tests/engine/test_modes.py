"""Who can use what a run makes: the table of docs/security.md, held to what is there when umask is 000."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import running

from wq_runner.workers import passwords

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
# what is only there at times: tests/unit/test_private.py, test_results.py, test_certificate.py
ELSEWHERE = {"TMP/wq-runner-tls-*/*", "RUN/page.url", "RUN/results/", "RUN/results/*/"}


def table() -> dict[str, str]:
    """Return who may use what: modes, or what the umask has to say, by patterns of paths."""
    rows = re.findall(r"^\| (`[A-Z]+/.*?) \| (\d{3}|umask)\b", PAGE.read_text(), re.MULTILINE)
    return {name: mode for names, mode in rows for name in re.findall(r"`([^`]+)`", names)}


def pattern(name: str) -> re.Pattern[str]:
    text = re.escape(name).replace(r"\*\*", ".+").replace(r"\*", "[^/]+")
    return re.compile(f"{text}$")


class Places:
    """The directories that a run writes to, and the modes of all that was ever in them."""

    def __init__(self, root: Path) -> None:
        names = ("RUN", "CACHE", "CONFIG", "TMP", "DEST")
        self.of = {name: root / name.lower() / "wq-runner" for name in names}
        for name in ("TMP", "DEST"):
            self.of[name] = root / name.lower()
            self.of[name].mkdir()
        self.modes: dict[str, list[int]] = {}

    @property
    def environ(self) -> dict[str, str]:
        return {
            "XDG_CACHE_HOME": str(self.of["CACHE"].parent),
            "XDG_CONFIG_HOME": str(self.of["CONFIG"].parent),
            "TMPDIR": str(self.of["TMP"]),
        }

    def look(self) -> None:
        for name, path in self._all():
            try:
                status = path.lstat()
            except OSError:  # it is gone
                continue
            if not stat.S_ISLNK(status.st_mode):
                modes = self.modes.setdefault(f"{name}/" if stat.S_ISDIR(status.st_mode) else name, [])
                modes.append(stat.S_IMODE(status.st_mode))

    def _all(self) -> Iterator[tuple[str, Path]]:
        for name, root in self.of.items():
            if name not in {"TMP", "DEST"}:
                yield name, root
            for above, directories, files in os.walk(root):
                for one in (*directories, *files):
                    path = Path(above, one)
                    yield f"{name}/{path.relative_to(root)}", path

    def in_reach(self, name: str) -> bool:
        """Whether others can come to it: all directories above it let them in."""
        parts = name.rstrip("/").split("/")
        above = ["/".join(parts[:count]) + "/" for count in range(1, len(parts))]
        return all(self.modes.get(one, [0o777])[-1] & 0o077 for one in above)

    def telling(self, secrets: list[bytes]) -> list[str]:
        """Return what others can read and holds a secret."""
        found = []
        for name, path in self._all():
            if path.is_file() and self.in_reach(name) and path.stat().st_mode & 0o077:
                content = path.read_bytes()
                found += [name for secret in secrets if secret in content]
        return found


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
def test_nobody_else_gets_at_what_a_run_makes(
    tmp_path: Path, make_root: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    places = Places(tmp_path)
    for name, value in places.environ.items():
        monkeypatch.setenv(name, value)
    assert passwords.chosen("auto") is not None
    data = make_root("data.root", entries=60)
    gate = tmp_path / "gate"
    out = places.of["RUN"]
    command = ["--detach", "--http", "-w", "local:1", "-c", 20, "-o", out]
    command += ["-p", f"{running.ANALYSIS}:Gated", "--processor-args", f"gate={gate}"]
    command += ["--processor-args", "free=1", "--schema", "BaseSchema", "--task-time", 0.01]
    process = running.start(*command, "--stage-out", places.of["DEST"], data, cwd=tmp_path)
    try:
        _watch(places, lambda: running.accepted(out) >= 1 or process.poll())
        token = re.search(r"token=([\w-]+)", (out / "wq-run.out").read_text())
        assert token is not None
        (password,) = places.of["TMP"].glob("wq-runner-workers-*/password")
        secrets = [token[1].encode(), password.read_bytes()]
        assert places.telling(secrets) == []
        gate.touch()
        _watch(places, lambda: (out / "run.json").exists() and running.summary(out).get("complete"))
    finally:
        assert running.finish(process).code == 0
        running.run("--stop", out, cwd=tmp_path)
    assert places.telling(secrets) == []

    patterns = {name: pattern(name) for name in table()}
    unlisted, wrong, seen = [], [], set()
    for name, modes in places.modes.items():
        listed = [one for one, known in patterns.items() if known.match(name)]
        if not listed:
            unlisted += [name] if any(one & 0o077 for one in modes) and places.in_reach(name) else []
            continue
        best = max(listed, key=len)
        seen.add(best)
        mode = table()[best]
        # what the engine makes is closed by the first task; it lies out of reach
        found = modes[-1:] if name.endswith("/") else modes
        if mode != "umask" and any(one & ~int(mode, 8) for one in found):
            wrong.append(f"{name}: {[oct(one) for one in modes]} instead of {mode}")
    assert unlisted == []
    assert wrong == []
    assert {name for name in patterns if table()[name] != "umask"} - seen == ELSEWHERE


def _watch(places: Places, until: Callable[[], object]) -> None:
    end = time.monotonic() + running.PATIENCE
    while not until():
        assert time.monotonic() < end, sorted(places.modes)
        places.look()
        time.sleep(0.02)
    places.look()
