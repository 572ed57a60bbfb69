"""Where the input is read: as the samples say, as `--redirector` says, and where the workers' site looks."""

from __future__ import annotations

from wq_runner.config.options import RunOptions
from wq_runner.model import Fileset
from wq_runner.samples.redirect import redirected, with_places
from wq_runner.workers import sites, spec
from wq_runner.workers.sites import Site


def placed(fileset: Fileset, options: RunOptions) -> Fileset:
    """Return the files with the names under which this run reads them.

    Raises
    ------
    UsageError
        If a redirector cannot be used.
    """
    fileset = redirected(fileset, options.redirector)
    site = site_of(options)
    return with_places(fileset, site.redirectors) if site else fileset


def site_of(options: RunOptions) -> Site | None:
    """Return the site of the workers that the run starts, if it names one."""
    if (site := options.dask_site) is not None:
        return sites.find(site)
    if not options.on_work_queue:
        return None
    wanted = options.started
    return sites.find(wanted.site) if isinstance(wanted, spec.BatchSpec) and wanted.site else None
