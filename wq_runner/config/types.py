"""How values of options are read, the same from a file, the environment and the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from wq_runner import literals, units
from wq_runner.config import executors, processors
from wq_runner.config.completion import Complete, executor, words
from wq_runner.errors import did_you_mean
from wq_runner.literals import Arguments
from wq_runner.model import PerDataset

AUTO = "auto"
DEFAULT_CHUNKSIZE = 100_000


if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
    _Choice = click.Choice[str]
else:  # which are generic since click 8.4 only
    ParamType, _Choice = click.ParamType, click.Choice


class Parsed(ParamType):
    """A value that one of our parsers understands; its ValueError is what the user reads.

    `python` is the type that a call of `wq_runner.run` may give, as `api/keywords.py` has it.
    """

    def __init__(
        self, name: str, parse: Callable[[Any], Any], complete: Complete | None = None, *, python: str = "str"
    ) -> None:
        self.name = name
        self.python = python
        self._parse = parse
        self._complete = complete

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:  # noqa: ARG002 - click's
        return self.name  # its small words are words, which click would write in capitals

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value  # converted before
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return self._complete(ctx, param, incomplete) if self._complete else []


class PerDatasetValue(Parsed):
    """A value for all datasets, or ``default=VALUE,PATTERN=VALUE``, or a mapping of these."""

    def __init__(
        self, name: str, parse: Callable[[Any], Any], default: Any = None, *, python: str = "str"
    ) -> None:
        super().__init__(f"{name}|PATTERN={name.partition('|')[0]},...", parse, python=python)
        self._default = default

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, PerDataset):
            return value
        if isinstance(value, str) and "=" in value:
            pairs = [piece.rpartition("=") for piece in value.split(",")]
            value = {name.strip(): text.strip() for name, _, text in pairs}
        if not isinstance(value, Mapping):
            return super().convert(value, param, ctx)
        values = {
            str(name): None if one in (None, "") else super(PerDatasetValue, self).convert(one, param, ctx)
            for name, one in value.items()
        }
        default = values.pop("default", self._default)
        if values and AUTO in (default, *values.values()):
            self.fail(f"{AUTO} is for all datasets, not for some", param, ctx)
        return PerDataset(default=default, patterns=tuple(values.items())) if values else default


class Choice(_Choice):
    """One of some words; a wrong one is answered with the nearest."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's
        known = [str(choice) for choice in self.choices]
        return f"unknown value {value!r}.{did_you_mean(str(value), known)} Known: {', '.join(known)}"


class ExecutorName(ParamType):
    """An executor, with a place or not; a setup of one's own has its own names."""

    name = "NAME[@PLACE]"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return executor(ctx, param, incomplete)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            executors.parse(str(value), custom=bool(ctx and ctx.params.get("executor_custom_setup")))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class KeyValues(ParamType):
    """Keyword arguments: ``name=value`` with a literal or plain text, or a JSON object, or a mapping."""

    name = "KEY=VALUE"
    python = "Mapping[str, Any] | str"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, Arguments):
            return value
        if isinstance(value, Mapping):
            return Arguments({str(name): one for name, one in value.items()})
        text = str(value).strip()
        try:
            if text.startswith("{"):
                return literals.mapping(text)
            name, equals, rest = text.partition("=")
            if (
                not equals or not name.strip().replace(".", "_", 1).isidentifier()
            ):  # of one of several: ee.name
                raise ValueError(f"{text!r} is not name=value")  # noqa: TRY301 - said as the others are
            return Arguments.of(name.strip(), rest)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """Split at blanks that are outside of brackets and quotes."""
        return literals.words(rv)


class Processor(ParamType):
    """A processor, or several by their names: the values of the option are one text, see `processors`."""

    name = "[NAME=]MODULE:NAME|[NAME=]FILE.py:NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            processors.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)

    @classmethod
    def joined(cls, ctx: click.Context, param: click.Parameter, values: Sequence[str] | None) -> str | None:
        """Make one text of all values: a callback of click."""
        try:
            return processors.join(values or ())
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from error


def _is_none(value: str | bool) -> bool:
    """Whether it is one of the words for none; YAML reads "no" and "off" as False."""
    return str(value).strip().lower() in {"none", "no", "off", "false"}


def _file(value: str | bool) -> str:
    text = str(value)
    if text in {"auto", "none"} or Path(text).is_file():
        return text
    if _is_none(value):
        return "none"
    raise ValueError(f"no such file: {text}")


def _preload(value: Any) -> str:
    """Read a word, or names; in a file, a list as well."""
    names = value if isinstance(value, list) else str(value).split(",")
    if value is False:  # as YAML reads "off"
        return "off"
    found = [str(one).strip() for one in names]
    if not found or not all(found) or (len(found) > 1 and {AUTO, "off"} & set(found)):
        raise ValueError(f"{value!r} is neither auto nor off nor names of columns, such as Muon_pt,Muon_eta")
    return ",".join(found)


def _redirector(value: str) -> tuple[str, str]:
    before, equals, after = value.partition("=")
    if not (equals and before.strip() and after.strip()):
        raise ValueError(
            f"{value!r} is not FROM=TO, two beginnings of names such as root://a.example/=root://b.example/"
        )
    return before.strip(), after.strip()


def _catalog(value: Any) -> str:
    if _is_none(value):
        return "none"
    text: str = value.strip()
    if text.lower() == "local":
        return "local"
    host, _, port = text.rpartition(":")
    if not text or (host and not port.isdecimal()):
        raise ValueError(f"{text!r} is neither HOST:PORT nor local nor none")
    return text


ONE, PER_DATASET, PER_PROCESSOR, GROUP, FILES = "one", "per-dataset", "per-processor", "group:", "files:"


def _outputs(value: str) -> str:
    text = str(value).strip()
    if text in {ONE, PER_DATASET, PER_PROCESSOR} or (text.startswith(GROUP) and text != GROUP):
        return text
    if text.startswith(FILES):
        return f"{FILES}{units.count(text.removeprefix(FILES))}"
    known = (ONE, PER_DATASET, PER_PROCESSOR, GROUP, FILES)
    raise ValueError(
        f"unknown value {text!r}.{did_you_mean(text, known)} "
        f"Known: {ONE}, {PER_DATASET}, {PER_PROCESSOR}, {GROUP}KEY, {FILES}N"
    )


OUTPUTS = Parsed(
    "one|per-dataset|per-processor|group:KEY|files:N",
    _outputs,
    words(ONE, PER_DATASET, PER_PROCESSOR, GROUP, FILES),
)
CATALOG = Parsed("HOST[:PORT]|local|none", _catalog, words("local", "none"))
PASSWORD = Parsed("FILE|auto|none", _file, words("auto", "none", files=True), python="str | Path")
PROXY = Parsed("FILE|auto|none", _file, words("auto", "none", files=True))
PRELOAD = Parsed("auto|off|NAMES", _preload, words("auto", "off"))
REDIRECTOR = Parsed("FROM=TO", _redirector)
COUNT = Parsed("N", units.count, python="int | str")
COUNTS = PerDatasetValue("N", units.count, python="int | str")
CHUNKSIZE = PerDatasetValue("N|auto", units.chunksize, default=DEFAULT_CHUNKSIZE, python="int | str")
SIZE = Parsed("SIZE", units.size, python="int | str")
WORKER_SIZE = Parsed("SIZE", units.worker_size, python="int | str")
WORKER_MEMORY = Parsed("SIZE", units.worker_memory, python="int | str")
MEMORY = Parsed("SIZE", units.memory, python="int | str")
MEMORIES = PerDatasetValue("SIZE", units.memory, python="int | str")
TREEREDUCTION = Parsed("N|SIZE|auto|off", units.treereduction, words("auto", "off"), python="int | str")
COLUMN_CACHE = Parsed("off|auto|SIZE|DIR[:SIZE]", units.column_cache, words("auto", "off"))
SHARE = Parsed("SHARE", units.share, python="float | str")
SECONDS = Parsed("TIME", units.seconds, python="float | str")
PORT = Parsed("PORT", units.port, python="int | bool")
PORTS = Parsed("PORT|LOW-HIGH", units.ports, python="int | str")
KEY_VALUES = KeyValues()
PROCESSOR = Processor()
EXECUTOR = ExecutorName()
