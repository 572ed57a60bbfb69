"""What is checked before anything starts: options, samples and the processor are found to be right."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wq_runner import samples, system
from wq_runner.coffea_adapter.runner import Analysis
from wq_runner.environment import WorkerEnvironment
from wq_runner.errors import UsageError
from wq_runner.executors import environments, proxies
from wq_runner.fingerprint import identity, packages
from wq_runner.model import Fileset
from wq_runner.output import stageout
from wq_runner.output.result_files import Form
from wq_runner.planning import chunks, file_info, reading, redirects
from wq_runner.planning.chunks import Facts
from wq_runner.planning.file_info import Knowledge
from wq_runner.planning.filters import check_patterns, chosen
from wq_runner.planning.selection import select
from wq_runner.remote.several import dataset_of
from wq_runner.samples.cache import FactsCache
from wq_runner.samples.redirect import idle
from wq_runner.steps.request import Request
from wq_runner.workers.proxy import Proxy


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """All that can be wrong on the user's side, found to be right before anything starts."""

    fileset: Fileset
    whole: Fileset  # before anything was left out on purpose
    environment: WorkerEnvironment
    knowledge: Knowledge
    cache: FactsCache
    fingerprint: Mapping[str, str]
    form: Form
    probing: bool = False
    proxy: Proxy | None = None
    notes: Sequence[tuple[str, str]] = ()

    @property
    def known(self) -> Facts:
        """The facts of all files of the samples that are known, opened now or before."""
        facts = self.knowledge.facts
        others = (file for dataset in self.whole for file in dataset.files if file not in facts)
        return {**self.cache.get_many(others), **facts}


def prepare(request: Request) -> Prepared:
    """Check everything that needs neither the processor, nor workers, nor an output directory."""
    settings, asked = request.settings, request.settings.input
    if settings.output.stage_out is not None:
        # that it can be written to is no matter of hours later
        stageout.destination(settings.output.stage_out)
    whole = samples.load(request.samples, treename=asked.treename, wanted=asked.direct)
    notes = [("note", text) for text in idle(whole, asked.redirector)]
    whole = reading.preloaded(redirects.placed(whole, asked), settings.loop.reads)
    for name, value in asked.per_dataset.items():
        check_patterns(name.replace("_", "-"), value, whole)
    fileset = select(chosen(whole, asked.only, asked.skip), asked.select)
    fileset = _of_each(chunks.limit_files(fileset, asked.limit_files), request.processors)
    whole = _of_each(whole, request.processors)
    if not any(dataset.files for dataset in fileset):
        raise UsageError(f"there are no files in {', '.join(request.samples)}", page="samples")
    reading.check(fileset, settings.loop.reads)
    proxy = proxies.choose(settings.proxy, fileset)
    about_proxy = proxies.describe(settings.proxy, fileset, proxy)
    cache = FactsCache()
    return Prepared(
        fileset=fileset,
        whole=whole,
        probing=asked.probing,
        environment=environments.planned(settings.environment),
        knowledge=file_info.known_facts(fileset, cache),
        cache=cache,
        fingerprint=identity.fingerprint(
            processors=request.processors,
            arguments=request.arguments,
            schema=settings.analysis.schema,
            naming=settings.output.naming,
            seed=settings.analysis.seed,
            environment=environments.fingerprint(settings.environment.wish, packages.installed_packages()),
            fileset=fileset,
        ),
        proxy=proxy,
        notes=[*notes, *([("proxy", about_proxy)] if about_proxy else [])],
        form=Form.of(settings.output, fileset),
    )


def _of_each(fileset: Fileset, processors: Iterable[str]) -> Fileset:
    """Return the datasets of each processor: those of all of them after each other."""
    return tuple(
        dataclasses.replace(dataset, name=dataset_of(name, dataset.name), processor=name)
        for dataset in fileset
        for name in processors
    )


def load(request: Request) -> Analysis:
    """Import the processor and the schema; heavy, as it brings coffea."""
    if request.analysis is not None:
        return request.analysis
    with system.uncollected():
        from wq_runner.code.processor import load_all, load_schema, module_of

        schema, places = request.settings.analysis.schema, request.processors
        processor, arguments = load_all(places, request.arguments)
        return Analysis(
            processor=processor,
            schema=load_schema(schema),
            arguments=arguments,
            modules=tuple(map(module_of, [*places.values(), *([schema] if ":" in schema else [])])),
        )
