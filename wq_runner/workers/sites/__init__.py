"""Sites: how workers are started at a place, as data.

Presets lie beside this file; `sites.yaml` in the user's settings adds or replaces some, and so does
a Python entry point of the group `wq_runner.sites`: a `Site`, or what starts workers by itself.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from wq_runner import units
from wq_runner.errors import SiteError, did_you_mean, nearest
from wq_runner.units import MB
from wq_runner.workers.batch import SYSTEMS, several
from wq_runner.workers.factory import FactorySettings
from wq_runner.workers.provided import METHODS, Provider, is_provider

GROUP = "wq_runner.sites"
PYTHON = "python"  # the system of a site that has a provider


@dataclass(frozen=True, kw_only=True)
class Site:
    """What is particular to a place. Memory and disk are those of a worker, in bytes.

    `requirements` is HTCondor's expression; `batch_options` are in the words of the batch system. `notes`
    are for people. A `provider` starts the workers instead of a batch system.
    """

    name: str
    system: str
    description: str = ""
    queue: str = ""
    cores: int = 1
    memory: int = 4000 * MB
    disk: int = 8000 * MB
    ports: str = ""
    scratch: str = ""
    image: str = ""
    requirements: str = ""
    batch_options: str = ""
    proxy: bool = False
    redirectors: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    origin: str = field(default="", compare=False)
    provider: Provider | None = field(default=None, compare=False, repr=False)


def known() -> dict[str, Site]:
    """Return all sites by name: presets, those of installed packages, the user's."""
    return {**_presets(), **_installed(), **_users()}


def find(name: str) -> Site:
    """Return a site.

    Raises
    ------
    UsageError
        If there is none of this name.
    """
    found = known()
    if name not in found:
        raise SiteError(
            f"there is no site {name}.{did_you_mean(name, found)}",
            hint=f"known: {', '.join(sorted(found))}   (wq-workers sites list)",
        )
    return found[name]


def applied(site: Site, settings: FactorySettings) -> FactorySettings:
    """Return the settings of a factory at the site.

    Raises
    ------
    UsageError
        If the site has another batch system.
    """
    if site.system != settings.system:
        raise SiteError(f"{site.name} has {site.system}, not {settings.system}")
    return dataclasses.replace(
        settings,
        cores=site.cores,
        memory=site.memory,
        disk=site.disk,
        scratch=site.scratch,
        image=site.image,
        requirements=site.requirements,
        batch_options=batch_options(site),
    )


def batch_options(site: Site) -> str:
    """Return what the batch system is told, the queue in its own words."""
    batch = SYSTEMS[site.system]
    return batch.joined(batch.queue(site.queue) if site.queue else "", site.batch_options)


def described(site: Site) -> list[tuple[str, str]]:
    """Return what is known of a site, for people."""
    rows = []
    for one in dataclasses.fields(Site):
        if one.name == "provider":
            continue
        value = getattr(site, one.name)
        if one.name in {"memory", "disk"}:
            value = units.format_size(value)
        if value is True:
            value = "needed"
        texts = value if isinstance(value, tuple) else (value,)
        rows += [(one.name.replace("_", " "), str(text)) for text in texts if text]
    return rows


def user_file() -> Path:
    return Path(platformdirs.user_config_dir("wq-runner")) / "sites.yaml"


def _presets() -> dict[str, Site]:
    text = importlib.resources.files(__package__).joinpath("presets.yaml").read_text(encoding="utf-8")
    return _sites(text, "preset")


def _users() -> dict[str, Site]:
    path = user_file()
    return _sites(path.read_text(encoding="utf-8"), str(path)) if path.exists() else {}


def _installed() -> dict[str, Site]:
    found = {}
    for point in importlib.metadata.entry_points(group=GROUP):
        site = _loaded(point)
        found[site.name] = dataclasses.replace(site, origin=point.value)
    return found


def _loaded(point: importlib.metadata.EntryPoint) -> Site:
    try:
        site = point.load()
        site = site() if callable(site) else site
        text = site.describe() if is_provider(site) else ""
    except (Exception, SystemExit) as error:
        raise SiteError(
            f"the entry point {point.value} of {GROUP} cannot be loaded: {type(error).__name__}: {error}",
            hint="repair the package that brings it, or remove it",
        ) from error
    if is_provider(site):
        return Site(name=point.name, system=PYTHON, description=text, provider=site)
    if not isinstance(site, Site):
        raise SiteError(
            f"the entry point {point.value} of {GROUP} is {type(site).__name__}: neither a Site, nor has it "
            f"{', '.join(METHODS)}"
        )
    return site


def _sites(text: str, origin: str) -> dict[str, Site]:
    import yaml

    try:
        content = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise SiteError(f"{origin} cannot be read: {error}") from error
    if not isinstance(content, Mapping):
        raise SiteError(f"{origin} is not a mapping of sites")
    return {str(name): _site(str(name), values, origin) for name, values in content.items()}


def _site(name: str, values: Any, origin: str) -> Site:
    if not isinstance(values, Mapping):
        raise SiteError(f"{origin}: {name} is not a mapping")
    names = [one.name for one in dataclasses.fields(Site) if one.name not in {"name", "origin", "provider"}]
    read = {str(key).replace("-", "_"): value for key, value in values.items()}
    for key in read:
        if key not in names:
            raise SiteError(f"{origin}: {name} has no {key}; nearest: {nearest(key, names) or names}")
    if read.get("system") not in SYSTEMS:
        raise SiteError(f"{origin}: {name} needs a system, {several('{}')}")
    try:
        for key in {"memory", "disk"} & read.keys():
            read[key] = (units.worker_memory if key == "memory" else units.worker_size)(read[key])
    except ValueError as error:
        raise SiteError(f"{origin}: {name}: {error}") from error
    for key in {"notes", "redirectors"} & read.keys():
        read[key] = tuple(map(str, read[key]))
    return Site(name=name, origin=origin, **read)
