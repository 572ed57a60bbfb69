"""What coffea can do is asked of it, and what it cannot is done for it; with a stand-in for an older one."""

from __future__ import annotations

import functools
import types
from pathlib import Path
from typing import Any

import cloudpickle
import coffea.processor
import lz4.frame
import pytest
import uproot
from coffea.nanoevents import BaseSchema
from coffea.processor import ProcessorABC

from wq_runner.coffea_adapter.executor import _is_dropped
from wq_runner.errors import InterruptedRunError, PartialResultError
from wq_runner.model import Category
from wq_runner.remote import abilities, functions
from wq_runner.remote.failure import ChangedFileError
from wq_runner.remote.inputs import Inputs
from wq_runner.remote.trees import Trees

QUESTIONS = (
    abilities.raises_what_is_returned,
    abilities.takes_what_postprocess_returns,
    abilities.takes_functions,
    abilities.skips_by_type,
    abilities.reads_ranges_of_parquet,
)


class Older:
    """A Runner that does with an executor what that of coffea 0.7 does."""

    def __init__(self, executor: Any, **_: Any) -> None:
        self.executor = executor

    def run(self, items: Any, processor: Any) -> Any:
        if not isinstance(processor, ProcessorABC):
            raise ValueError("Expected processor_instance to derive from ProcessorABC")  # noqa: TRY004 - its own
        wrapped, error = self.executor(items, None, None)
        wrapped["exception"] = error
        processor.postprocess(wrapped["out"])
        return wrapped

    @staticmethod
    def automatic_retries(_: int, skipbadfiles: Any, function: Any, *args: Any) -> Any:
        try:
            return function(*args)
        except OSError:
            if not skipbadfiles:
                raise
            return None


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coffea.processor, "Runner", Older)
    for one in QUESTIONS:
        monkeypatch.setattr(abilities, one.__name__, one.__wrapped__)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_installed_one_can(question: Any) -> None:
    assert question()


@pytest.mark.usefixtures("older")
@pytest.mark.parametrize("question", QUESTIONS)
def test_an_older_one_cannot(question: Any) -> None:
    assert not question.__wrapped__()


class Counting(Older):
    """A Runner that counts the entries of parquet files, for a work function that does not read them."""

    metadata_fetcher_parquet = None

    def run(self, items: Any, processor: Any) -> Any:
        return self.executor(items, self.refuse, None)

    def refuse(self, _: Any) -> None:
        raise NotImplementedError("Parquet format is not supported yet.")


class Wrapping(Counting):
    """One that says of which file that is, as those from 2025.10 on."""

    def refuse(self, item: Any) -> None:
        try:
            super().refuse(item)
        except Exception as error:
            raise Exception(f"Failed to open file: {item!r}.") from error  # noqa: TRY002 - its own


@pytest.mark.parametrize("runner", [Counting, Wrapping])
def test_parquet_that_is_counted_is_not_read_for_that(monkeypatch: pytest.MonkeyPatch, runner: type) -> None:
    monkeypatch.setattr(coffea.processor, "Runner", runner)
    assert not abilities.reads_ranges_of_parquet.__wrapped__()


def double(events: Any) -> Any:
    return [2 * one for one in events]


@pytest.mark.usefixtures("older")
def test_a_function_of_events_is_made_a_processor_and_counted_as_itself() -> None:
    processor = abilities.as_processor(double)
    assert isinstance(processor, ProcessorABC)
    assert processor.process([1, 2]) == [2, 4]
    assert abilities.given_by_user(processor) is double
    inputs = Inputs()

    def called(item: Any, *, processor_instance: Any) -> Any:
        assert isinstance(processor_instance, ProcessorABC)  # or it is taken for a pickle of one
        return processor_instance.process(item)

    own, found = functions.lone(functools.partial(called, processor_instance=processor), inputs.counted)
    assert (own([1, 2, 3]), found, inputs.events) == ([2, 4, 6], double, 3)


class Unpacking(Older):
    """A Runner whose work function unpacks each processor that cannot be called, as those of late 2025."""

    def run(self, items: Any, processor: Any) -> Any:
        return self.executor(items, lambda item: doubled(item, processor_instance=processor), None)


def doubled(item: Any, *, processor_instance: Any, checkpointer: Any = None) -> Any:
    del checkpointer
    if not isinstance(processor_instance, ProcessorABC) or not callable(processor_instance):
        processor_instance = cloudpickle.loads(lz4.frame.decompress(processor_instance))
    return processor_instance.process(item)


@pytest.mark.parametrize("checkpointer", [None, object()])
def test_a_processor_is_not_taken_for_a_packed_one(
    monkeypatch: pytest.MonkeyPatch, checkpointer: Any
) -> None:
    assert not abilities.unpacks_processors.__wrapped__()
    monkeypatch.setattr(coffea.processor, "Runner", Unpacking)
    assert abilities.unpacks_processors.__wrapped__()
    monkeypatch.setattr(abilities, "unpacks_processors", abilities.unpacks_processors.__wrapped__)
    packed = lz4.frame.compress(cloudpickle.dumps(Doubling()))
    inputs = Inputs()
    function = functools.partial(doubled, processor_instance=packed, checkpointer=checkpointer)
    own, found = functions.lone(function, inputs.counted)
    assert own([1, 2, 3]) == [2, 4, 6]
    assert isinstance(found, Doubling)
    assert inputs.events == (None if checkpointer else 3)


class Doubling(ProcessorABC):
    def process(self, events: Any) -> Any:
        return double(events)

    def postprocess(self, accumulator: Any) -> Any:
        return accumulator


def test_a_function_of_events_stays_one_where_it_may() -> None:
    assert abilities.as_processor(double) is double


def skipping(error: Exception, kinds: Any) -> Any:
    def automatic_retries(_: int, skipbadfiles: Any, function: Any, item: Any) -> Any:
        return Older.automatic_retries(0, skipbadfiles, function, item)

    def fail() -> Any:
        raise error

    module: dict[str, Any] = {"__name__": "coffea.processor.executor", "process": fail}
    exec("def _work_function(item):\n    process()", module)
    own, _ = functions.lone(functools.partial(automatic_retries, 0, kinds, module["_work_function"]))
    return own(None)


@pytest.mark.usefixtures("older")
@pytest.mark.parametrize("kinds", [True, (ValueError,), False])
def test_an_error_of_the_processor_is_never_skipped_as_a_bad_file(kinds: Any) -> None:
    with pytest.raises(OSError, match="of the processor"):
        skipping(OSError("of the processor"), kinds)


@pytest.mark.usefixtures("older")
def test_types_are_skipped_where_coffea_knows_no_types() -> None:
    with pytest.warns(UserWarning, match="Skipping bad file.*bad"):
        assert skipping(ValueError("bad"), (ValueError,)) is None


STOPPED = InterruptedRunError("stopped")


@pytest.mark.parametrize(
    ("skipped", "category", "dropped"),
    [
        pytest.param(False, Category.PROCESSING, True, id="a part"),
        pytest.param(True, Category.PROCESSING, True, id="a part, no bad file"),
        pytest.param((PartialResultError,), Category.PROCESSING, True, id="another type"),
        pytest.param((InterruptedRunError,), Category.PROCESSING, False, id="asked for"),
    ],
)
@pytest.mark.usefixtures("older")
def test_a_part_of_a_result_is_not_returned_as_if_it_were_all(
    skipped: Any, category: Category, dropped: bool
) -> None:
    assert _is_dropped(STOPPED, skipped, category) is dropped


def test_the_installed_runner_raises_what_processing_lacks_but_not_what_opening_files_does() -> None:
    assert not _is_dropped(STOPPED, True, Category.PROCESSING)
    assert _is_dropped(STOPPED, True, Category.PREPROCESSING)
    assert not _is_dropped(STOPPED, (InterruptedRunError,), Category.PREPROCESSING)


def test_behavior_is_imported_of_a_method_and_of_a_property() -> None:
    seen: list[str] = []

    class Method(BaseSchema):
        @classmethod
        def behavior(cls) -> None:
            seen.append("method")

    class Property(BaseSchema):
        @property
        def behavior(self) -> None:
            seen.append("property")

    abilities.import_behavior(Method)
    abilities.import_behavior(Property)
    abilities.import_behavior(int)
    assert seen == ["method", "property"]


# as coffea 0.7 has it: the file is opened by what `uproot` is in its module, without options
TEXT = """
def _work_function(item, processor_instance):
    with uproot.open({item.filename: None}) as file:
        tree = file["Events"]
        return tree.num_entries, tree
"""


def item_of(path: Path, uuid: bytes) -> Any:
    return types.SimpleNamespace(filename=str(path), treename="Events", fileuuid=uuid, entrystop=10)


@pytest.fixture
def opening() -> Any:
    module: dict[str, Any] = {"uproot": uproot}
    exec(TEXT, module)
    return functools.partial(module["_work_function"], processor_instance=None)


def write(path: Path) -> bytes:
    with uproot.recreate(path) as file:
        file.mktree("Events", {"x": "i8"})
        file["Events"].extend({"x": list(range(10))})
    with uproot.open(path) as file:
        return bytes(file.file.fUUID)


def test_what_opens_files_by_itself_shares_the_tree_and_changes_nothing_for_others(
    opening: Any, tmp_path: Path
) -> None:
    before = uproot.open
    uuid = write(tmp_path / "a.root")
    trees = Trees()
    wrapped, _ = functions.lone(trees.used_by(opening))
    chunk = item_of(tmp_path / "a.root", uuid)
    trees.plan(chunk, chunk)
    _, first = wrapped(item_of(tmp_path / "a.root", uuid))
    _, second = wrapped(item_of(tmp_path / "a.root", uuid))
    trees.close()
    assert first is second
    assert uproot.open is before is opening.func.__globals__["uproot"].open


def test_what_opens_files_by_itself_sees_one_that_was_written_anew(opening: Any, tmp_path: Path) -> None:
    uuid = write(tmp_path / "a.root")
    write(tmp_path / "a.root")
    with pytest.raises(ChangedFileError):
        Trees().used_by(opening)(item_of(tmp_path / "a.root", uuid))
