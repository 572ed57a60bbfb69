"""Commands whose options are the fields of a dataclass, and come from files and the environment too."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import click
from click.core import ParameterSource

from wq_runner.cli.base import Command, Option
from wq_runner.config.layers import ENV_PREFIX, Known, check_environment, find_layers
from wq_runner.config.options import NATURES
from wq_runner.config.types import PerDatasetValue, Processor
from wq_runner.plain import echo


def click_options(kind: type) -> list[Option]:
    """Return the options that the fields of a dataclass declare, in their order."""
    return [
        Option(
            [*field.metadata["names"], field.name],
            group=field.metadata["group"],
            **field.metadata["click"],
        )
        for field in dataclasses.fields(kind)
        if "names" in field.metadata
    ]


class LayeredCommand(Command):
    """A command whose options can also be set in files and in the environment.

    click does the work: the files become its default map, `WQ_RUNNER_*` its environment variables.
    """

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if extra.get("resilient_parsing"):  # a shell asks what may stand here
            return super().make_context(info_name, args, parent, **extra)
        check_environment(os.environ, self._names())
        first = super().make_context(info_name, list(args), parent, resilient_parsing=True)
        layers = find_layers(
            run_options=first.params.get("run_options") or (),
            near=first.params.get("samples") or (),
            known=self._known(),
            place=_place(first.params),
        )
        for note in (note for layer in layers for note in layer.notes):
            echo(f"note: {note}", err=True)
        merged = {name: value for layer in layers for name, value in layer.values.items()}
        origins = {name: layer.origin for layer in layers for name in layer.values}
        extra |= {"default_map": merged, "auto_envvar_prefix": ENV_PREFIX, "obj": origins}
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.BadParameter as error:
            raise _with_origin(error) from error

    def _known(self) -> Known:
        names = self._names()
        own = [param for param in self.params if param.name in names]
        return Known(
            names=names,
            lists={str(param.name) for param in own if getattr(param, "multiple", False)},
            mappings={
                str(param.name) for param in own if isinstance(param.type, PerDatasetValue | Processor)
            },
            paths={name: form for name, nature in NATURES.items() if (form := nature.path) is not None},
        )

    def _names(self) -> list[str]:
        """Return the options that may stand in files and in the environment."""
        return [
            param.name
            for param in self.params
            if isinstance(param, click.Option) and param.name and param.allow_from_autoenv
        ]


def _place(given: Mapping[str, Any]) -> str:
    """Return where a run goes, as far as the command line says: ``condor@lxplus``, ``dask``."""
    named = (str(given.get(one) or "") for one in ("workers", "executor"))
    return next((one.partition(":")[0] for one in named if "@" in one), str(given.get("executor") or ""))


def _with_origin(error: click.BadParameter) -> click.BadParameter:
    """Say where a wrong value came from, unless it stands on the command line."""
    if error.ctx is None or error.param is None or not error.param.name:
        return error
    origin = origin_of(error.ctx, error.param.name)
    if origin == "command line":
        return error
    return click.BadParameter(f"{error.message} (from {origin})", error.ctx, error.param)


def origin_of(ctx: click.Context, name: str) -> str:
    """Say where the value of an option came from: its `obj` has the origins of those from files."""
    match ctx.get_parameter_source(name):
        case ParameterSource.COMMANDLINE:
            return "command line"
        case ParameterSource.ENVIRONMENT:
            return f"{ENV_PREFIX}_{name.upper()}"
        case ParameterSource.DEFAULT_MAP:
            origins: Mapping[str, str] = ctx.obj
            return origins[name]
        case _:
            return "default"
