"""Editable packages of an environment: whose code lies elsewhere and changes under our hands.

pip writes PEP 610's `direct_url.json` and either a `.pth` file or a finder module; flit links the package
into site-packages; `setup.py develop` wrote an `.egg-link` and a line in `easy-install.pth`; some people
write `.pth` files and links themselves.
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlparse

from wq_runner.environment import declared, importable
from wq_runner.environment.importable import Module
from wq_runner.environment.spec import read_metadata, site_packages

_COMPILING_BACKENDS = ("scikit_build_core", "mesonpy", "maturin", "skbuild", "enscons", "sipbuild", "cmeel")
_COMPILED = (".so", ".pyd", ".abi3.so")


@dataclass(frozen=True, kw_only=True)
class Editable:
    """A package installed in editable mode.

    `project` is its source directory; `metadata` its dist-info or egg-info; `files` are what stands for
    it in the environment and must not be packed; `compiled` if a build backend has to make it for workers.
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
        known = [*_with_direct_url(site, prefix), *_with_egg_link(site)]
        known += _by_hand(site, prefix, known)
        known += _linked(site, prefix, known)
        # in the order in which Python looks: site-packages itself, then what its .pth files add
        added = (root for path in sorted(site.glob("*.pth")) for root in pth_directories(path))
        roots = list(dict.fromkeys([site, *(root for root in added if root.is_dir())]))
        visible = [
            replace(one, modules=tuple(importable.without_hidden(one.modules, roots))) for one in known
        ]
        found += visible
    return tuple(sorted(found, key=lambda one: one.name))


def _with_direct_url(site: Path, prefix: Path) -> Iterator[Editable]:
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
        name = headers.get("name", info.name.split("-")[0])
        names = declared.top_level(project, name, info)
        modules = _unique(module for file in files for module in _modules_of(file, site, names))
        compiled = _is_compiled(project, modules, files)
        if not modules and not compiled:
            modules = _unique(importable.asked(prefix, names | _beside(project)))
        yield Editable(
            name=name,
            version=headers.get("version", ""),
            project=project,
            modules=tuple(modules),
            metadata=info,
            files=(info, *files),
            compiled=compiled,
        )


def _with_egg_link(site: Path) -> Iterator[Editable]:
    for link in sorted(site.glob("*.egg-link")):
        first, *_ = [*link.read_text(encoding="utf-8").splitlines(), ""]
        root = Path(first.strip())
        if root.is_dir():
            info = next(iter(sorted(root.glob(f"{link.stem.replace('-', '_')}.egg-info"))), None)
            yield _on_path(root, link.stem, info, files=(link,))


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
            found = _on_path(root, root.name, info)
            rest = tuple(module for module in found.modules if module.source not in covered)
            if rest:
                yield replace(found, modules=rest)


def _linked(site: Path, prefix: Path, known: Sequence[Editable]) -> Iterator[Editable]:
    """Yield what somebody linked into site-packages and no package has on record."""
    recorded = {file for editable in known for file in editable.files}
    for link in _links(site):
        module = _link_target(link, site, prefix)
        if link not in recorded and module is not None:
            yield Editable(
                name=link.stem, version="", project=module.source.parent, modules=(module,), files=(link,)
            )


def _links(directory: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(directory), key=lambda one: one.name):
        path = Path(entry.path)
        if entry.is_symlink():
            yield path
        elif entry.is_dir() and entry.name.isidentifier() and not (path / "__init__.py").exists():
            yield from _links(path)  # a namespace, whose parts may be links


def _link_target(link: Path, site: Path, prefix: Path) -> Module | None:
    source = link.resolve()
    outside = link.is_symlink() and source.exists() and not source.is_relative_to(prefix.resolve())
    if not outside or (source.is_file() and link.suffix != ".py"):
        return None
    return Module(target=str(link.relative_to(site)), source=source)


def _on_path(root: Path, name: str, info: Path | None, files: tuple[Path, ...] = ()) -> Editable:
    """Describe a directory that is on the path, with the egg-info in it, if there is one."""
    headers = read_metadata(info) if info else {}
    name = headers.get("name", name)
    modules = tuple(importable.below(root, declared.top_level(root, name, info)))
    return Editable(
        name=name,
        version=headers.get("version", ""),
        project=root,
        modules=modules,
        metadata=info,
        files=files,
        compiled=_is_compiled(root, modules, ()),
    )


def _beside(project: Path) -> set[str]:
    """Return the names that a project may have modules of, to ask for."""
    roots = (project, project / "src", project / "lib", project / "python")
    modules = (module for root in roots if root.is_dir() for module in importable.below(root))
    return {module.target.partition(".")[0] for module in modules}


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
    # a link keeps its own name
    return tuple(
        Path(os.path.normpath(info.parent.resolve() / name))
        for name in names
        if name and not name.startswith(info.name)
    )


def _modules_of(file: Path, site: Path, names: set[str]) -> Iterator[Module]:
    if file.is_symlink():
        module = _link_target(file, site, site.parents[2])
        if module is not None:
            yield module
    elif file.parent != site or not file.is_file():
        return
    elif file.suffix == ".pth":
        for root in pth_directories(file):
            if root.is_dir():
                yield from importable.below(root, names, all_data=True)
    elif re.fullmatch(r"__editable__.*_finder\.py|_editable_impl_.*\.py", file.name):
        for name, source in _finder_mapping(file).items():
            path = Path(source)
            path = path.parent if path.name == "__init__.py" else path
            path = path if path.exists() else path.with_suffix(".py")
            target = name.replace(".", "/") + (".py" if path.is_file() else "")
            if path.exists():
                yield Module(target=target, source=path.resolve())


def _finder_mapping(finder: Path) -> dict[str, str]:
    """Read what a finder maps, without running it: MAPPING of setuptools, map_module() of editables."""
    found: dict[str, str] = {}
    for node in ast.parse(finder.read_text(encoding="utf-8")).body:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        value = getattr(node, "value", None)
        if any(isinstance(target, ast.Name) and target.id == "MAPPING" for target in targets):
            found |= dict(ast.literal_eval(value)) if value is not None else {}
        elif (
            isinstance(value, ast.Call) and getattr(value.func, "attr", "") == "map_module" and value.args[1:]
        ):
            found[ast.literal_eval(value.args[0])] = ast.literal_eval(value.args[1])
    return found


def _unique(modules: Iterable[Module]) -> list[Module]:
    return list({module.target: module for module in modules}.values())


def _is_compiled(project: Path, modules: Sequence[Module], files: Sequence[Path]) -> bool:
    if any(re.fullmatch(r"_.*_editable(_loader)?\.py|_.*-editable-loader\.py", file.name) for file in files):
        return True  # of scikit-build-core and meson-python: they build when they are imported
    if not any((project / name).is_file() for name in ("pyproject.toml", "setup.py")):
        return False  # built by something else, which put it there: shipped as it is
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
