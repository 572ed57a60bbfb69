"""What the project says of itself in several places is the same, and is what its code needs."""

from __future__ import annotations

import ast
import re
import sys
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import nanoaod
import yaml
from packages.making import Built
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT: dict[str, Any] = tomllib.loads((nanoaod.ROOT / "pyproject.toml").read_text())["project"]

CONDA = {"matplotlib": "matplotlib-base"}
"""Names that differ on conda-forge."""

CITED = yaml.safe_load((nanoaod.ROOT / "CITATION.cff").read_text())["version"]
ENGINE = "ndcctools"  # of conda-forge, or of bindings/: no wheel has it
PYTHON_MIN = "3.10"  # of conda-forge
NOTEBOOK = "IPython"  # only where a notebook is, which has it


def requirements(texts: list[str]) -> dict[str, Requirement]:
    return {canonicalize_name(one.name): one for one in map(Requirement, texts)}


def for_conda(texts: list[str]) -> set[tuple[str, str]]:
    """Return names and bounds as conda has them; it has no markers of Python's version in `noarch`."""
    return {(CONDA.get(name, name), str(one.specifier)) for name, one in requirements(texts).items()}


def of_conda(lines: list[Any]) -> set[tuple[str, str]]:
    names = [str(line).partition(" ") for line in lines if isinstance(line, str)]
    return {(name, bounds.strip()) for name, _, bounds in names}


def imported() -> set[str]:
    """Return the packages that the code imports, wherever in it, but for Python's own."""
    found = set()
    for path in (nanoaod.ROOT / "wq_runner").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module).partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"wq_runner"}


def test_everything_that_is_imported_is_required() -> None:
    optional = [one for extra in PROJECT["optional-dependencies"].values() for one in extra]
    known = requirements([*PROJECT["dependencies"], *optional])
    owners = metadata.packages_distributions()
    imports = imported()
    assert {"click", "uproot", "cloudpickle"} <= imports
    lacking = {
        name
        for name in imports - {ENGINE, NOTEBOOK, "tomllib"}
        if not {canonicalize_name(one) for one in owners.get(name, [name])} & known.keys()
    }
    # dask comes with distributed, base is a word in generated code, PocketCoffea comes with its runner, and
    # only checkers of types import typing_extensions
    assert lacking <= {"dask", "base", "pocket_coffea", "typing_extensions"}, lacking


def test_the_wheel_requires_what_the_project_does(built: Built) -> None:
    [info] = metadata.distributions(path=[str(built.wheel)])
    assert info.metadata["Name"] == "wq-runner"
    base = [text for text in info.requires or [] if "extra ==" not in text]
    assert requirements(base) == requirements(PROJECT["dependencies"])
    assert set(info.metadata.get_all("Provides-Extra") or []) == PROJECT["optional-dependencies"].keys()
    scripts = {one.name: one.value for one in info.entry_points if one.group == "console_scripts"}
    assert scripts == PROJECT["scripts"]


def test_the_recipe_for_conda_agrees() -> None:
    recipe = yaml.safe_load((nanoaod.ROOT / "recipe" / "recipe.yaml").read_text())
    assert recipe["context"]["name"] == PROJECT["name"]
    assert PROJECT["requires-python"] == f">={recipe['context'].get('python_min', PYTHON_MIN)}"
    entries = dict(re.split(r"\s*=\s*", one) for one in recipe["build"]["python"]["entry_points"])
    assert entries == PROJECT["scripts"]
    needed = of_conda(recipe["requirements"]["run"])
    more = {name for name, _ in needed - for_conda(PROJECT["dependencies"])}
    assert for_conda(PROJECT["dependencies"]) <= needed
    assert more == {"python", "ndcctools", "git", "xrootd", "fsspec-xrootd"}
    assert for_conda(PROJECT["optional-dependencies"]["xrootd"]) <= needed
    assert recipe["about"]["license"] == PROJECT["license"]
    assert recipe["about"]["summary"] == PROJECT["description"]


def test_the_recipe_says_what_conda_forge_asks_for() -> None:
    """As conda-smithy, their linter, says, of which the index of Python has a placeholder only."""
    recipe = yaml.safe_load((nanoaod.ROOT / "recipe" / "recipe.yaml").read_text())
    order = (
        "schema_version",
        "context",
        "package",
        "source",
        "build",
        "requirements",
        "tests",
        "about",
        "extra",
    )
    assert tuple(recipe) == order
    assert {"homepage", "repository", "license", "license_file", "summary"} <= recipe["about"].keys()
    assert recipe["about"]["homepage"].startswith("https://")
    assert recipe["extra"]["recipe-maintainers"]
    assert recipe["build"]["noarch"] == "python"
    assert recipe["requirements"]["host"][0] == "python ${{ python_min }}.*"
    assert recipe["requirements"]["run"][0] == "python >=${{ python_min }}"
    (imports,) = (one["python"] for one in recipe["tests"] if "python" in one)
    assert imports["python_version"] == ["${{ python_min }}.*", "*"]
    assert recipe["context"].get("python_min") != PYTHON_MIN  # it would be redundant


def test_the_engine_is_one_that_is_understood() -> None:
    """Release 8.0 speaks another protocol."""
    recipe = yaml.safe_load((nanoaod.ROOT / "recipe" / "recipe.yaml").read_text())
    manager = yaml.safe_load((nanoaod.ROOT / "environments" / "manager.yml").read_text())
    bounds = {dict(of_conda(one))[ENGINE] for one in (recipe["requirements"]["run"], manager["dependencies"])}
    assert bounds == {">=7.15,<8"}


def test_the_environment_of_a_manager_has_it_all() -> None:
    environment = yaml.safe_load((nanoaod.ROOT / "environments" / "manager.yml").read_text())
    assert for_conda(PROJECT["dependencies"]) <= of_conda(environment["dependencies"])


def test_the_citation_is_one() -> None:
    """What CFF 1.2.0 requires, and what is also said elsewhere."""
    citation = yaml.safe_load((nanoaod.ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert (citation["title"], citation["license"]) == (PROJECT["name"], PROJECT["license"])
    assert [one["name"] for one in citation["authors"]] == [one["name"] for one in PROJECT["authors"]]


def test_the_changelog_names_the_version_that_is_cited() -> None:
    text = (nanoaod.ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)
    assert versions[0] == "Unreleased"
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_workflows_and_forms_are_yaml() -> None:
    found = list((nanoaod.ROOT / ".github").rglob("*.yml"))
    assert len(found) >= 4
    for path in found:
        content = yaml.safe_load(path.read_text())
        assert isinstance(content, dict), path
        if path.parent.name == "ISSUE_TEMPLATE" and path.name != "config.yml":
            assert {"name", "description", "body"} <= content.keys()
            ids = [one["id"] for one in content["body"] if "id" in one]
            assert len(ids) == len(set(ids))


def test_every_ring_is_a_job_that_waits_for_lint() -> None:
    jobs = yaml.safe_load((nanoaod.ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    tests = nanoaod.ROOT / "tests"
    rings = {path.parent.name for path in tests.glob("*/test_*.py")}
    assert {*jobs["ring"]["strategy"]["matrix"]["ring"]} == rings - {"coffeas"}  # which is one of its own
    assert {name for name, job in jobs.items() if job.get("needs") != "lint"} == {"lint"}


def test_every_licence_is_there() -> None:
    assert "BSD 3-Clause" in (nanoaod.ROOT / "LICENSE").read_text()
    assert "GNU GENERAL PUBLIC LICENSE" in (nanoaod.ROOT / "bindings" / "COPYING").read_text()
    bindings = tomllib.loads((nanoaod.ROOT / "bindings" / "pyproject.toml").read_text())["project"]
    assert bindings["license-files"] == ["COPYING"]


def test_no_data_of_others_is_in_the_clone() -> None:
    """Data of examples and tests are made by a generator; none is a file of an experiment."""
    data = [
        path
        for place in ("examples", "tests", "docs")
        for path in Path(nanoaod.ROOT / place).rglob("*")
        if path.suffix in {".root", ".parquet", ".coffea"} and "data" not in path.parts
    ]
    assert not data


def locked() -> list[Requirement]:
    lines = (nanoaod.ROOT / "environments" / "lock.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


def test_the_lock_has_exact_versions_and_no_addresses() -> None:
    for one in locked():
        (bound,) = one.specifier
        assert bound.operator == "==", one
        assert one.url is None, one


def test_the_lock_has_all_that_is_installed_within_its_bounds() -> None:
    groups = tomllib.loads((nanoaod.ROOT / "pyproject.toml").read_text())["dependency-groups"]
    tools = [one for group in groups.values() for one in group if isinstance(one, str)]
    for name, one in requirements([*PROJECT["dependencies"], *tools]).items():
        found = [each for each in locked() if canonicalize_name(each.name) == name]
        assert found, f"{name} is not in environments/lock.txt: make lock"
        for each in found:
            (bound,) = each.specifier
            assert one.specifier.contains(bound.version, prereleases=True), f"{each}: make lock"


# -- the package index, and a release


def test_links_of_the_description_lead_to_the_repository(built: Built) -> None:
    [info] = metadata.distributions(path=[str(built.wheel)])
    text = str(info.metadata["Description"] or cast(Message, info.metadata).get_payload())
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert len(links) > 10
    assert [one for one in links if not one.startswith("https://")] == []
    source = PROJECT["urls"]["Source"]
    assert f"![Three datasets while they are processed]({source}/raw/main/docs/images/terminal.svg)" in text
    for link in links:
        if link.startswith(source):
            assert (nanoaod.ROOT / link.partition("/main/")[2].partition("#")[0]).exists(), link
    assert f"Source, {source}" in info.metadata.get_all("Project-URL", [])


def test_the_checklist_of_a_release_can_be_followed(tmp_path: Path) -> None:
    release = nanoaod.load(nanoaod.ROOT / "environments" / "release.py")
    (tmp_path / "recipe").mkdir()
    names = ("CHANGELOG.md", "CITATION.cff", "recipe/recipe.yaml", "pyproject.toml")
    for name in names:
        (tmp_path / name).write_text((nanoaod.ROOT / name).read_text())

    def edit(name: str, before: str, after: str) -> None:
        text = (tmp_path / name).read_text()
        assert before in text
        (tmp_path / name).write_text(text.replace(before, after))

    left = list(release.left(tmp_path, "7.8.9"))
    checklist = (nanoaod.ROOT / "CONTRIBUTING.md").read_text().partition("\n## A release\n")[2]
    steps = re.findall(r"^\d\. (.+)$", checklist.partition("\n## ")[0], re.MULTILINE)
    for step, first in zip(steps, ("CHANGELOG.md", "CITATION.cff", "recipe/recipe.yaml"), strict=False):
        assert step.startswith(f"`{first}`")
    edit("CHANGELOG.md", "## [Unreleased]", "## [Unreleased]\n\n## [7.8.9] - 2026-12-01")
    edit("CITATION.cff", f"version: {CITED}", "version: 7.8.9")
    edit("recipe/recipe.yaml", f"version: {CITED}", "version: 7.8.9")
    placeholders = [one for one in left if "placeholder" in one]
    assert list(release.left(tmp_path, "7.8.9")) == placeholders
    assert len(left) == 3 + len(placeholders)
    for name in names[2:]:
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace("OWNER", "somebody"))
    assert list(release.left(tmp_path, "7.8.9")) == []
    assert list(release.left(tmp_path, "7.8")) == ["7.8 is not a version such as 1.2.0"]
