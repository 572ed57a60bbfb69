"""What could be done better next time, in words with numbers: pure functions of the state of a run."""

from __future__ import annotations

from dataclasses import dataclass

from wq_runner.monitor import words
from wq_runner.monitor.next_time import FURTHEST, next_time
from wq_runner.monitor.view import Memory, RunView
from wq_runner.units import MB, format_count, format_seconds, format_size

_CORE_MEMORY = 0.8  # of a core's share of memory that chunks may fill
_CHUNKS_PER_CORE = 4  # that must remain, so that no core waits for another at the end
_LONGEST_CHUNK = 120.0  # seconds; what is lost with a worker should be little
_BASE_MEMORY = 160 * MB  # of the interpreter and its imports, whatever the size of a chunk


@dataclass(frozen=True, kw_only=True)
class Advice:
    """A change that would help, and why; `saves` is in core seconds, for those who sort.

    `of_chunks` is whether it names another chunk size.
    """

    text: str
    saves: float = 0.0
    of_chunks: bool = False


def advice(view: RunView, *, chunksize: int | None = None) -> list[Advice]:
    """Return what would have saved most first; empty where nothing is to be improved."""
    if view.core_time.available < words.SHORT_RUN:
        return []
    found = [
        *_startup(view, chunksize),
        *_fixed_costs(view, chunksize),
        *_memory(view, chunksize),
        *_exhaustion(view),
        *_retries(view),
        *_transfer(view),
        *_idle(view),
        *_hosts(view),
        *_files(view),
    ]
    return sorted(found, key=lambda one: one.saves, reverse=True)


def _startup(view: RunView, chunksize: int | None) -> list[Advice]:
    time = view.core_time
    if time.share("startup") < 0.05 or not view.tasks.useful:
        return []
    each = time.startup / view.tasks.useful
    lost = f"start-up took {words.percent(time.share('startup'))} of the core time ({each:.1f} s each time)"
    larger = larger_chunks(view, chunksize)
    if view.chunks_per_task < 1.5 and chunksize and larger:
        part = 1 - chunksize / larger
        return [
            Advice(
                text=f"--chunksize {chunksize} -> {larger} would save {words.percent(part)} of start-up: "
                f"{lost}, once for nearly every chunk, and chunks used at most "
                f"{format_size(view.task_memory.most)}",
                saves=part * time.startup,
                of_chunks=True,
            )
        ]
    if view.task_seconds.mean < 10 * each and view.chunks_per_task > 1:
        return [
            Advice(
                text=f"larger tasks would save part of the start-up: {lost}, and tasks lasted "
                f"{format_seconds(view.task_seconds.mean)} on average. Raise --task-time if it cuts them",
                saves=0.5 * time.startup,
            )
        ]
    return []


def _fixed_costs(view: RunView, chunksize: int | None) -> list[Advice]:
    cost, larger = view.cost, larger_chunks(view, chunksize)
    if cost.fixed is None or not chunksize or not larger or not cost.seconds:
        return []
    saved = cost.fixed * cost.chunks * (1 - chunksize / larger)
    if saved < 0.05 * cost.seconds:
        return []
    return [
        Advice(
            text=f"--chunksize {chunksize} -> {larger} would save {words.percent(saved / cost.seconds)} of "
            f"processing: each chunk takes {cost.fixed:.2f} s whatever its size, and "
            f"{format_count(1 / cost.per_event)} events/s"
            if cost.per_event > 0
            else f"--chunksize {chunksize} -> {larger}: chunks take the same time whatever their size",
            saves=saved,
            of_chunks=True,
        )
    ]


def larger_chunks(view: RunView, chunksize: int | None) -> int | None:
    """Return a chunksize that the same workers would hold and that keeps all cores busy, if there is one.

    Memory is taken to grow with the events beyond what the interpreter needs, time to grow with them.
    """
    cost, cores = view.cost, max(view.series.gauges.get("cores", ()), default=0.0)
    if not chunksize or not cost.chunks or not cost.events or not cores:
        return None
    best = next_time(view, chunksize)
    if best is not None:  # it knows the memory of chunks, and there is one answer
        return best.chunksize if best.chunksize >= 1.5 * chunksize else None
    mean = cost.events / cost.chunks
    limits = [
        _LONGEST_CHUNK / max(cost.seconds / cost.chunks, 1e-6) * mean,
        cost.events / (cores * _CHUNKS_PER_CORE),
        FURTHEST * mean,
    ]
    room = _room(view)
    if room and view.task_memory.most:
        used = max(view.task_memory.most - _BASE_MEMORY, 0.1 * view.task_memory.most)
        limits.append((room - _BASE_MEMORY) / used * mean)
    found = _rounded(min(limits))
    return found if found >= 1.5 * chunksize else None


def _room(view: RunView) -> float:
    """Return the memory that one core of the largest worker may fill, 0 if unknown."""
    now = view.workers
    share = now.largest_memory / now.largest_cores if now.largest_cores else 0.0
    return _CORE_MEMORY * share


def _rounded(value: float) -> int:
    """Round down to two digits."""
    scale = 10 ** max(0, len(str(int(max(value, 1)))) - 2)
    return int(value // scale * scale)


def _memory(view: RunView, chunksize: int | None) -> list[Advice]:
    if next_time(view, chunksize) is not None:  # it says what memory a worker needs, and there is one answer
        return []
    used, held = view.task_memory.most, max((one.most_allocated for one in view.memory), default=0.0)
    if not used or held < 4 * used or view.task_memory.count < 3:
        return []
    enough = _rounded(used * 1.5 / MB)
    return [
        Advice(
            text=f"tasks used at most {format_size(used)} of the {format_size(held)} they held: workers with "
            f"{enough:,} MB per core would do, and more of them fit on a machine"
        )
    ]


def _exhaustion(view: RunView) -> list[Advice]:
    wholes = [one for one in view.memory if not one.dataset and one.exhausted]
    times, lost = sum(one.exhausted for one in wholes), sum(one.lost for one in wholes)
    if not times:
        return []
    worst: Memory = max(
        (one for one in view.memory if one.dataset or len(view.memory) == 1), key=lambda one: one.exhausted
    )
    return [
        Advice(
            text=f"{words.count(times, 'attempt')} ran out of resources, which cost {words.hours(lost)} core "
            f"hours (most in {worst.dataset or worst.category}, up to {format_size(worst.most)}): smaller "
            "chunks or "
            "workers with more memory per core avoid it",
            saves=lost,
        )
    ]


def _retries(view: RunView) -> list[Advice]:
    time = view.core_time
    if time.share("retries") < 0.03 or not view.problems:
        return []
    worst = max(view.problems, key=lambda one: one.count)
    return [
        Advice(
            text=f"failed attempts took {words.percent(time.share('retries'))} of the core time; most often: "
            f"{worst.cause} ({worst.count:,} times)",
            saves=time.retries,
        )
    ]


def _transfer(view: RunView) -> list[Advice]:
    time = view.core_time
    if time.share("transfer") < 0.1:
        return []
    return [
        Advice(
            text=f"moving files between manager and workers took {words.percent(time.share('transfer'))} of "
            f"the core time ({format_size(view.moved.sent)} sent, {format_size(view.moved.received)} "
            "received): smaller "
            "results, larger tasks or a manager nearer to the workers help",
            saves=time.transfer,
        )
    ]


def _idle(view: RunView) -> list[Advice]:
    time = view.core_time
    if time.share("idle") < 0.15:
        return []
    cores = max(view.series.gauges.get("cores", ()), default=0.0)
    if view.cost.chunks and view.cost.chunks < _CHUNKS_PER_CORE * cores:
        why = f"{view.cost.chunks:,} chunks are few for {cores:.0f} cores: smaller chunks or fewer workers"
    else:
        why = "workers waited for the others at the end, or for the manager: fewer workers take hardly longer"
    return [
        Advice(
            text=f"cores were idle for {words.percent(time.share('idle'))} of their time "
            f"({words.core_time(time.idle)}); {why}",
            saves=0.5 * time.idle,
        )
    ]


def _hosts(view: RunView) -> list[Advice]:
    slow = [
        one for one in view.hosts if one.speed < 0.6 and one.core_seconds > 0.005 * view.core_time.available
    ]
    broken = [one for one in view.hosts if one.failed >= 5 and one.failed > 0.5 * one.tasks]
    found = []
    if slow and view.host_count > 1:
        names = ", ".join(f"{one.host} ({one.speed:.2f})" for one in slow[:3])
        lost = sum(one.core_seconds * (1 - one.speed) for one in slow)
        found.append(
            Advice(text=f"{words.count(len(slow), 'host')} slower than the others: {names}", saves=lost)
        )
    if broken:
        names = ", ".join(f"{one.host} ({one.failed:,} of {one.tasks:,})" for one in broken[:3])
        lost = sum(one.core_seconds * one.failed / one.tasks for one in broken)
        found.append(Advice(text=f"hosts on which most attempts failed: {names}. Leave them out", saves=lost))
    return found


def _files(view: RunView) -> list[Advice]:
    lost = sum(one.excess for one in view.slow_files[:10])
    if not view.cost.seconds or lost < 0.1 * view.cost.seconds or view.cost.seconds < words.SHORT_RUN:
        return []
    first = view.slow_files[0]
    return [
        Advice(
            text=f"{words.count(min(len(view.slow_files), 10), 'file')} took "
            f"{words.percent(lost / view.cost.seconds)} more than files like them; the slowest is "
            f"{first.path}: look at where they are stored",
            saves=lost,
        )
    ]
