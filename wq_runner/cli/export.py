"""`wq-run export`: a run as batch jobs, for places where no manager may run."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import click
from click.shell_completion import CompletionItem

from wq_runner.cli import base
from wq_runner.cli.layered import LayeredCommand, click_options, origin_of
from wq_runner.config import completion, types
from wq_runner.config.options import RunOptions, defaulted
from wq_runner.workers.batch import NAMES, SYSTEMS

_JOBS = "Jobs"
_FORM = f"{NAMES}[@SITE]"

_EXAMPLES = """
wq-run export slurm -o jobs -p analysis.py:Analysis --files-per-job 20 --memory 4GB samples.cfg
wq-run export condor@lxplus -o jobs -p analysis.py:Analysis --queue workday samples.cfg
jobs/submit.sh                                   submit them
wq-report check jobs                             how they ended; --resubmit for those that failed
wq-report merge jobs                             the sum of all, in jobs/merged
"""


class _SystemAtSite(types.ParamType):
    name = _FORM

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        system, _, site = str(value).partition("@")
        return types.Choice(tuple(SYSTEMS)).convert(system, param, ctx), site

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        found = completion.workers(ctx, param, incomplete)
        return [one for one in found if one.value.partition("@")[0] in SYSTEMS]


def _option(*names: str, **kwargs: Any) -> base.Option:
    return base.Option(list(names), group=_JOBS, allow_from_autoenv=False, **kwargs)


@click.command(
    cls=LayeredCommand,
    name="wq-run export",
    params=[
        click.Argument(["batch"], type=_SystemAtSite(), metavar=_FORM),
        click.Argument(
            ["samples"], nargs=-1, required=True, metavar="SAMPLES...", shell_complete=completion.samples()
        ),
        _option(
            "--files-per-job",
            type=types.COUNT,
            default=10,
            show_default=True,
            help="Number of files, all of one dataset, that each job processes.",
        ),
        _option(
            "--cluster-per",
            type=types.Choice(("dataset", "job")),
            default="dataset",
            show_default=True,
            help="Submit all jobs of a dataset together, as a cluster or array, or each job by itself.",
        ),
        _option(
            "--time",
            type=types.SECONDS,
            help="Longest time that a job may take  [default: the queue's limit]",
        ),
        _option("--requirements", metavar="TEXT", default="", help="Requirements expression for HTCondor."),
        _option(
            "--remote-repo",
            "remote",
            metavar="URL@REF",
            default="",
            help="Have jobs check out this branch, tag or commit, instead of taking the analysis along.",
        ),
        *click_options(RunOptions),
        base.Option(
            ["-ro", "--run-options"],
            multiple=True,
            metavar="FILE.yaml",
            shell_complete=completion.words(files=True),
            group="Options and help",
            allow_from_autoenv=False,
            help="Read options from a file, by their long names. Repeatable: later files take precedence.",
        ),
    ],
    examples=_EXAMPLES,
    codes=(0, 2, 3, 4),
)
@click.pass_context
def cli(ctx: click.Context, /, batch: tuple[str, str], samples: tuple[str, ...], **values: Any) -> None:
    """Write a folder (-o JOBDIR) of batch jobs that run a processor over SAMPLES, each by itself.

    The options are those of wq-run; --memory, --cores and --disk are those of a job, and --stage-out is
    where jobs bring their results.
    """
    from importlib import metadata

    from wq_runner.config.resolved import resolve
    from wq_runner.export.job_settings import Settings
    from wq_runner.export.make import export
    from wq_runner.monitor.console import PlainConsole
    from wq_runner.steps.request import Request

    names = RunOptions.__dataclass_fields__
    options = dataclasses.replace(
        defaulted(RunOptions(**{name: values[name] for name in names})), executor="work_queue", workers=None
    )
    request = Request(
        samples=samples,
        settings=resolve(options),
        options=vars(options),
        origins={name: origin_of(ctx, name) for name in names},
        command=("wq-run", *sys.argv[1:]),
        version=metadata.version("wq-runner"),
    )
    system, site = batch
    asked = {name: values[name] for name in ("files_per_job", "cluster_per", "time")}
    settings = Settings(
        opening=resolve(dataclasses.replace(options, executor="futures")),
        system=system,
        site=site,
        requirements=values["requirements"],
        remote=values["remote"],
        **asked,
    )
    export(request, settings, PlainConsole())
