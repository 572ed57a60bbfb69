"""Random numbers of a chunk: the same for the same one, none for two, whatever keeps the generator."""

from __future__ import annotations

import functools
import pickle
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from wq_runner.remote import keepers, seeds
from wq_runner.remote.seeds import Draw, Seeder

MODULE = sys.modules[__name__]


@dataclass(frozen=True)
class Chunk:
    dataset: str = "d"
    filename: str = "/a.root"
    treename: str = "Events"
    entrystart: int = 0
    entrystop: int = 100
    fileuuid: bytes = b""


def drawn(draw: Callable[[Any], Any], item: Any, processor: Any = None, seed: int | None = None) -> Any:
    """Return what is drawn for an item by a process that has drawn already, which must not matter."""
    random.random()
    np.random.normal()
    Seeder(seed).prepare(item, processor)
    return draw(processor)


@pytest.fixture(autouse=True)
def _as_before() -> Any:
    mine, numpys = random.getstate(), np.random.get_state()
    yield
    random.setstate(mine)
    np.random.set_state(numpys)


GLOBAL = {
    "numpy": lambda _: np.random.normal(),
    "numpy, pairs": lambda _: (np.random.normal(), np.random.normal(), np.random.normal()),
    "random": lambda _: random.random(),
    "gauss": lambda _: random.gauss(0, 1),
}


@pytest.mark.parametrize("name", GLOBAL)
def test_each_chunk_draws_its_own_again_and_again(name: str) -> None:
    chunks = [
        Chunk(),
        Chunk(dataset="e"),
        Chunk(filename="/b.root"),
        Chunk(entrystart=50),
        Chunk(entrystop=99),
    ]
    found = [drawn(GLOBAL[name], chunk) for chunk in chunks]
    assert len(set(found)) == len(chunks)
    assert [drawn(GLOBAL[name], chunk) for chunk in reversed(chunks)] == found[::-1]


def test_a_seed_gives_others_of_the_same_kind() -> None:
    found = [drawn(GLOBAL["numpy"], Chunk(), seed=seed) for seed in (None, 0, 1, 2, 1)]
    assert found[2] == found[4]
    assert len(set(found)) == 4


def test_a_file_written_anew_draws_the_same() -> None:
    assert Draw.of(Chunk(fileuuid=b"1")) == Draw.of(Chunk(fileuuid=b"2"))


class Keeper:
    """Keeps generators as analyses do; in `keep` each of its ways."""

    rng = np.random.default_rng(1)

    def __init__(self, keep: Any) -> None:
        self.keep = keep


def _closure(generator: Any) -> Callable[[], float]:
    return lambda: float(generator.random())


WAYS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "Generator": (lambda: np.random.default_rng(7), lambda kept: kept.random()),
    "without a seed": (np.random.default_rng, lambda kept: kept.random()),
    "BitGenerator": (lambda: np.random.PCG64(7), lambda kept: kept.random_raw()),
    "RandomState": (lambda: np.random.RandomState(7), lambda kept: kept.normal()),
    "Random": (lambda: random.Random(7), lambda kept: kept.gauss(0, 1)),
    "SeedSequence": (
        lambda: np.random.SeedSequence(7),
        lambda kept: tuple(kept.spawn(1)[0].generate_state(2)),
    ),
    "children": (lambda: np.random.default_rng(7), lambda kept: kept.spawn(1)[0].random()),
    "in a dict": (lambda: {"a": [np.random.default_rng(7)]}, lambda kept: kept["a"][0].random()),
    "in an object": (lambda: SimpleNamespace(r=random.Random(1)), lambda kept: kept.r.random()),
    "in another": (lambda: Keeper(np.random.default_rng(3)), lambda kept: kept.keep.random()),
    "of a partial": (lambda: functools.partial(np.random.default_rng(7).normal, 0), lambda kept: kept()),
    "in a closure": (lambda: _closure(np.random.default_rng(7)), lambda kept: kept()),
}


@pytest.mark.parametrize("way", WAYS)
def test_generators_that_the_processor_keeps(way: str) -> None:
    make, draw = WAYS[way]
    one, other = Keeper(make()), Keeper(make())  # as two processes have them

    def read(keeper: Keeper) -> Any:
        return draw(keeper.keep)

    first, second = (drawn(read, Chunk(entrystart=start), one) for start in (0, 50))
    assert first != second
    read(other)
    assert [drawn(read, Chunk(entrystart=start), other) for start in (50, 0)] == [second, first]
    again = Keeper(make())
    assert drawn(read, Chunk(entrystart=50), again) == second


def test_generators_of_modules_and_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(__file__="/home/me/smear.py", __name__="smear", rng=np.random.default_rng(7))
    monkeypatch.setitem(sys.modules, "smear", module)  # as good as one
    found = [drawn(lambda _: module.rng.random(), Chunk(entrystart=start)) for start in (0, 50, 0)]
    assert found[0] == found[2] != found[1]
    found = [drawn(lambda one: one.rng.random(), Chunk(entrystart=one), Keeper(0)) for one in (0, 50, 0)]
    assert found[0] == found[2] != found[1]


def test_those_of_one_seed_stay_alike_and_others_apart() -> None:
    """Up and down variations are smeared alike on purpose; unrelated generators never are."""

    def both(make: Any, seeds_: tuple[int, int]) -> tuple[float, float]:
        keeper = Keeper([make(one) for one in seeds_])
        for start in (0, 50):  # what was drawn before changes nothing
            Seeder().prepare(Chunk(entrystart=start), keeper)
            keeper.keep[0].random()
        Seeder().prepare(Chunk(entrystart=99), keeper)
        one, other = keeper.keep
        return one.random(), other.random()

    for make in (np.random.default_rng, np.random.RandomState, random.Random):
        up, down = both(make, (1, 1))
        assert up == down
        up, down = both(make, (1, 2))
        assert up != down


def test_a_seed_in_the_processor_matters() -> None:
    found = {drawn(lambda one: one.keep.random(), Chunk(), Keeper(np.random.default_rng(s))) for s in (1, 2)}
    assert len(found) == 2


def test_libraries_with_threads_beside_a_chunk_draw_from_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    library = SimpleNamespace(random=random)
    monkeypatch.setitem(sys.modules, "distributed.of_a_test", library)
    seeds.keep_others_off.cache_clear()
    expected = drawn(lambda _: random.random(), Chunk())
    Seeder().prepare(Chunk())
    assert len({library.random.random(), library.random.uniform(0, 1), *library.random.randbytes(4)}) > 3
    assert random.random() == expected
    seeds.keep_others_off.cache_clear()


def test_who_seeds_in_process_has_the_last_word() -> None:
    def process(_: Any) -> float:
        np.random.seed(5)
        return np.random.normal()

    assert drawn(process, Chunk()) == drawn(process, Chunk(entrystart=50))


def test_libraries_that_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, int]] = []

    def noting(name: str) -> Callable[[int], None]:
        return lambda seed: said.append((name, seed))

    fakes = {
        "torch": SimpleNamespace(manual_seed=noting("torch")),
        "tensorflow": SimpleNamespace(random=SimpleNamespace(set_seed=noting("tensorflow"))),
        "cupy": SimpleNamespace(random=SimpleNamespace(seed=noting("cupy"))),
        "ROOT": SimpleNamespace(gRandom=SimpleNamespace(SetSeed=noting("ROOT"))),
    }
    for name, fake in fakes.items():
        monkeypatch.setitem(sys.modules, name, fake)
    for start in (0, 50, 0):
        Seeder().prepare(Chunk(entrystart=start))
    assert [name for name, _ in said] == list(fakes) * 3
    assert said[:4] == said[8:]
    assert not set(said[:4]) & set(said[4:8])
    assert all(0 < seed < 2**63 for _, seed in said)
    assert all(seed < 2**32 for name, seed in said if name in {"cupy", "ROOT"})
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace())  # half imported
    Seeder().prepare(Chunk())


def test_compiled_code_draws_by_chunk_too() -> None:
    import numba

    @numba.njit
    def draw() -> float:
        return np.random.normal()

    call: Any = draw
    found = [drawn(lambda _: call(), Chunk(entrystart=start)) for start in (0, 50, 0)]
    assert found[0] == found[2] != found[1]


def test_another_kind_of_bits_behind_the_global_functions() -> None:
    before = np.random.mtrand.get_bit_generator()
    np.random.mtrand.set_bit_generator(np.random.PCG64(3))
    try:
        found = [drawn(GLOBAL["numpy"], Chunk(entrystart=start)) for start in (0, 50, 0)]
    finally:
        np.random.mtrand.set_bit_generator(before)
    assert found[0] == found[2] != found[1]


def test_what_is_no_chunk_has_numbers_of_its_own() -> None:
    assert len({Draw.of(item) for item in (1, 2, "a", ("a", 1), lambda: 0)}) == 5
    assert Draw.of(("a", 1)) == Draw.of(("a", 1))


def test_a_large_table_costs_no_more_than_so_much_and_hides_nothing_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = SimpleNamespace(
        __file__="/home/me/table.py", table=[[one] for one in range(keepers.MOST)], rng=None
    )
    monkeypatch.setitem(sys.modules, "table", module)  # as good as one
    seeder = Seeder()
    drawn_by = []
    for start in (0, 50, 0):
        keeper = Keeper(np.random.default_rng(1))
        seeder.prepare(Chunk(entrystart=start), keeper)
        drawn_by.append((keeper.keep.random(), module.rng and module.rng.random()))
        module.rng = module.rng or np.random.default_rng()  # made when it is needed first
    assert len({one for one, _ in drawn_by}) == 2
    assert len({one for _, one in drawn_by}) == 3
    (_, looked) = keepers.Search(seeds.is_generator).below("table", vars(module))
    assert looked == keepers.MOST


def test_a_secure_source_and_a_broken_object_are_left_alone() -> None:
    class Broken(np.random.RandomState):
        def set_state(self, state: Any) -> None:
            raise RuntimeError(state)

    keeper = Keeper([random.SystemRandom(), Broken(1)])
    keeper.keep.append(keeper)  # and it holds itself
    Seeder().prepare(Chunk(), keeper)
    assert pickle.dumps(np.random.default_rng(1))
