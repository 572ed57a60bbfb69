"""What there is to say of a factory that runs: what it complains about, and what is wrong with its file."""

from __future__ import annotations

import re
from pathlib import Path

from wq_runner.workers import factory_file, kit

_COMPLAINTS = re.compile(
    r"error|fail|couldn't|could not|unable|invalid|has not a valid value|greater than max", re.IGNORECASE
)
_FILE = re.compile(r"Configuration file|re-reading|has not a valid value|(min|max) workers \(")
JOBS, SAID = "worker-", ".err"  # how the names of files begin and end in which a job says what goes wrong
_MOST = 4000  # bytes of one
_HEAD = re.compile(r"^\d{4}/\d\d/\d\d [\d:.]+ \S+\[\d+\] (\w+: )?")


class Complaints:
    """Reads the log of a factory as it grows; each complaint is said once.

    It repeats them in each of its rounds. What it says of its file is left to `FileWatch`, which knows the
    line.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._place = 0
        self._said: set[str] = set()

    def news(self) -> list[str]:
        try:
            with self._log.open(encoding="utf-8", errors="replace") as stream:
                stream.seek(self._place)
                text = stream.read()
                self._place = stream.tell()
        except OSError:
            return []
        found = []
        for line in text.splitlines():
            said = _HEAD.sub("", line).strip()
            if _COMPLAINTS.search(said) and not _FILE.search(said) and said not in self._said:
                self._said.add(said)
                found.append(said)
        return found


class Unable:
    """Reads what jobs of a factory said of workers that do not start on their nodes; a reason is said once.

    Their files are in the scratch directories of factories, below `directory`.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._sizes: dict[Path, int] = {}
        self._said: set[str] = set()

    def news(self) -> list[str]:
        found = []
        for path in sorted(self._directory.glob(f"factory-*/{JOBS}*{SAID}")):
            for line in self._lines(path):
                _, begins, rest = line.partition(kit.UNABLE)
                reason = rest.partition(", ")[2]
                if begins and reason not in self._said:
                    self._said.add(reason)
                    found.append(f"{begins.removeprefix(kit.OURS)}{rest}")
        return found

    def _lines(self, path: Path) -> list[str]:
        """Return the whole lines of a file that has grown since it was looked at."""
        try:
            size = path.stat().st_size
            if size == self._sizes.get(path, 0):
                return []
            self._sizes[path] = size
            with path.open("rb") as stream:
                text = stream.read(_MOST).decode(errors="replace")
        except OSError:
            return []
        return text[: text.rfind("\n") + 1].splitlines()


class FileWatch:
    """Looks at a factory's file when it changes, as the factory does, which says less about it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._judged = self._latest = self._read()
        self._bad = False

    def news(self) -> list[str]:
        """Return what is wrong with the file since it changed, or that it is right again.

        It is said at the second look at which the file is the same.
        """
        text = self._read()
        before, self._latest = self._latest, text
        if text != before or text == self._judged:  # it may be written just now
            return []
        self._judged = text
        if text is None:
            self._bad = True
            return [f"{self._path} is gone; the factory keeps what it had"]
        report = factory_file.check(text, str(self._path))
        was_bad, self._bad = self._bad, bool(report.errors)
        if not report.errors:
            return [f"{self._path} is right again; the factory follows it within a minute"] if was_bad else []
        what = "keeps what it had" if report.refused else "follows the rest"
        return [f"{one.where}  {one.text}; the factory {what}" for one in report.errors]

    def _read(self) -> str | None:
        try:
            return self._path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
