"""Editable packages of an environment: whose code lies elsewhere and changes under our hands.

pip writes PEP 610's `direct_url.json` and either a `.pth` file or a finder module; `setup.py develop`
wrote an `.egg-link` and a line in `easy-install.pth`; some people write `.pth` files themselves.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

from wq_runner.environment.spec import read_metadata, site_packages

# what lies beside the packages of a project and is never installed with them
_NOT_INSTALLED = {
    "test", "tests", "testing", "doc", "docs", "example", "examples", "benchmark", "benchmarks", "build",
    "dist", "node_modules", "notebooks", "scripts", "tools", "venv", "setup.py", "conftest.py", "noxfile.py",
    "tasks.py", "fabfile.py",
}  # fmt: skip
_OTHER_PROJECTS = ("pyproject.toml", "setup.py", "pyvenv.cfg", "conda-meta")
_COMPILING_BACKENDS = ("scikit_build_core", "mesonpy", "maturin", "skbuild", "enscons", "sipbuild", "cmeel")
_COMPILED = (".so", ".pyd", ".abi3.so")


@dataclass(frozen=True, kw_only=True)
class Module:
    """A module or package directory, and the path that it has below site-packages."""

    target: str
    source: Path


@dataclass(frozen=True, kw_only=True)
class Editable:
    """A package installed in editable mode.

    `project` is its source directory; `metadata` its dist-info or egg-info; `files` are what stands for
    it in the environment and must not be packed; `compiled` if its modules are not just its sources.
    """

    name: str
    version: str
    project: Path
    modules: tuple[Module, ...]
    metadata: Path | None = None
    files: tuple[Path, ...] = ()
    compiled: bool = False


def find_editables(prefix: Path) -> tuple[Editable, ...]:
    """Return the editable packages of the environment at `prefix`, by name."""
    found: list[Editable] = []
    for site in site_packages(prefix):
        known = [*_with_direct_url(site), *_with_egg_link(site)]
        known += _by_hand(site, prefix, known)
        found += known
    return tuple(sorted(found, key=lambda one: one.name))


def _with_direct_url(site: Path) -> Iterator[Editable]:
    for path in sorted(site.glob("*.dist-info/direct_url.json")):
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if facts.get("dir_info", {}).get("editable") is not True:
            continue
        project = Path(unquote(urlparse(facts["url"]).path))
        info = path.parent
        files = _recorded(info)
        headers = read_metadata(info)
        modules = tuple(_unique(module for file in files for module in _modules_of(file, site)))
        yield Editable(
            name=headers.get("name", info.name.split("-")[0]),
            version=headers.get("version", ""),
            project=project,
            modules=modules,
            metadata=info,
            files=(info, *files),
            compiled=_is_compiled(project, modules, files),
        )


def _with_egg_link(site: Path) -> Iterator[Editable]:
    for link in sorted(site.glob("*.egg-link")):
        first, *_ = [*link.read_text(encoding="utf-8").splitlines(), ""]
        root = Path(first.strip())
        if not root.is_dir():
            continue
        info = next(iter(sorted(root.glob(f"{link.stem.replace('-', '_')}.egg-info"))), None)
        headers = read_metadata(info) if info else {}
        modules = tuple(_top_level(root, info))
        yield Editable(
            name=headers.get("name", link.stem),
            version=headers.get("version", ""),
            project=root,
            modules=modules,
            metadata=info,
            files=(link,),
            compiled=_is_compiled(root, modules, ()),
        )


def _by_hand(site: Path, prefix: Path, known: Sequence[Editable]) -> Iterator[Editable]:
    """Yield directories that .pth files add to the path, apart from those of known packages."""
    recorded = {file for editable in known for file in editable.files}
    covered = {module.source for editable in known for module in editable.modules}
    for path in sorted(site.glob("*.pth")):
        if path in recorded:
            continue
        for root in pth_directories(path):
            if root.is_relative_to(prefix) or not root.is_dir():
                continue
            info = next(iter(sorted(root.glob("*.egg-info"))), None)
            modules = tuple(module for module in _top_level(root, info) if module.source not in covered)
            headers = read_metadata(info) if info else {}
            if modules:
                yield Editable(
                    name=headers.get("name", root.name),
                    version=headers.get("version", ""),
                    project=root,
                    modules=modules,
                    metadata=info,
                    compiled=_is_compiled(root, modules, ()),
                )


def pth_directories(path: Path) -> list[Path]:
    """Return the directories that a .pth file names; its lines of code are passed over."""
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    names = [
        line.strip() for line in lines if line.strip() and not line.startswith(("#", "import ", "import\t"))
    ]
    return [(path.parent / name).resolve() for name in names]


def _recorded(info: Path) -> tuple[Path, ...]:
    record = info / "RECORD"
    if not record.is_file():
        return ()
    names = [line.rsplit(",", 2)[0].strip('"') for line in record.read_text(encoding="utf-8").splitlines()]
    return tuple((info.parent / name).resolve() for name in names if name and not name.startswith(info.name))


def _modules_of(file: Path, site: Path) -> Iterator[Module]:
    if file.parent != site.resolve():
        return
    if file.suffix == ".pth" and file.is_file():
        for root in pth_directories(file):
            if root.is_dir():
                yield from _top_level(root, None)
    elif re.fullmatch(r"__editable__.*_finder\.py", file.name) and file.is_file():
        for name, source in _finder_mapping(file).items():
            path = Path(source)
            path = path if path.exists() else path.with_suffix(".py")
            target = name.replace(".", "/") + (".py" if path.is_file() else "")
            yield Module(target=target, source=path.resolve())


def _finder_mapping(finder: Path) -> dict[str, str]:
    """Read MAPPING out of a finder of setuptools, without running it."""
    for node in ast.parse(finder.read_text(encoding="utf-8")).body:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        if any(isinstance(target, ast.Name) and target.id == "MAPPING" for target in targets):
            value = getattr(node, "value", None)
            return dict(ast.literal_eval(value)) if value is not None else {}
    return {}


def _top_level(root: Path, info: Path | None) -> Iterator[Module]:
    """Yield what is importable from a directory that is on the path."""
    listed = info / "top_level.txt" if info else None
    names = set(listed.read_text().split()) if listed and listed.is_file() else None
    for path in sorted(root.iterdir()):
        if path.name in _NOT_INSTALLED or path.name.startswith((".", "__")):
            continue
        if names is not None and path.stem not in names:
            continue
        is_package = path.is_dir() and path.name.isidentifier() and _has_python(path)
        if is_package or path.suffix == ".py":
            yield Module(target=path.name, source=path.resolve())


def _has_python(directory: Path) -> bool:
    if (directory / "__init__.py").exists():
        return True
    if any((directory / name).exists() for name in _OTHER_PROJECTS):
        return False
    return any(directory.glob("*.py")) or any(directory.glob("*/__init__.py"))


def _unique(modules: Iterator[Module]) -> list[Module]:
    return list({module.target: module for module in modules}.values())


def _is_compiled(project: Path, modules: Sequence[Module], files: Sequence[Path]) -> bool:
    if any(re.fullmatch(r"_.*_editable(_loader)?\.py|_.*-editable-loader\.py", file.name) for file in files):
        return True  # of scikit-build-core and meson-python: they build when they are imported
    if any(module.source.is_dir() and _holds_compiled(module.source) for module in modules):
        return True
    config = project / "pyproject.toml"
    text = config.read_text(encoding="utf-8", errors="replace") if config.is_file() else ""
    backend = re.search(r"""^\s*build-backend\s*=\s*["']([\w.]+)""", text, re.MULTILINE)
    if backend and backend[1].startswith(_COMPILING_BACKENDS):
        return True
    setup = project / "setup.py"
    code = setup.read_text(encoding="utf-8", errors="replace") if setup.is_file() else ""
    return bool(re.search(r"ext_modules|cffi_modules|rust_extensions", code + text))


def _holds_compiled(package: Path) -> bool:
    return any(path.name.endswith(_COMPILED) for path in package.rglob("*.so"))
