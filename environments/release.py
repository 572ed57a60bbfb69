"""Say what is left to do before a release: the steps of CONTRIBUTING.md that a file can show.

python environments/release.py X.Y.Z     exit code 1 if something is left
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACEHOLDER = "OWNER"  # of the repository, until it has one


def left(root: Path, version: str) -> Iterator[str]:
    """Yield what is left to do, in the order of the checklist."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        yield f"{version} is not a version such as 1.2.0"
        return
    text = {
        name: (root / name).read_text(encoding="utf-8")
        for name in ("CHANGELOG.md", "CITATION.cff", "recipe/recipe.yaml", "pyproject.toml")
    }
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$"
    if not re.search(heading, text["CHANGELOG.md"], re.MULTILINE):
        yield f"CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD'"
    if not re.search(rf"^version: {re.escape(version)}$", text["CITATION.cff"], re.MULTILINE):
        yield f"CITATION.cff does not have version: {version}"
    if not re.search(rf"^  version: {re.escape(version)}$", text["recipe/recipe.yaml"], re.MULTILINE):
        yield f"recipe/recipe.yaml does not have version: {version}"
    for name in ("pyproject.toml", "recipe/recipe.yaml"):
        if f"/{PLACEHOLDER}/" in text[name]:
            yield f"{name} does not say whose the repository is: {PLACEHOLDER} is a placeholder"


def main() -> None:
    steps = list(left(ROOT, sys.argv[1].removeprefix("v")))
    print(*steps or ["ready"], sep="\n")
    sys.exit(bool(steps))


if __name__ == "__main__":
    main()
