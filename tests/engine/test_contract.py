"""What wq-runner relies on, of whichever `ndcctools` is importable: conda's or the one of bindings/."""

import gc
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import running

try:
    import ndcctools.work_queue as wq
except ImportError as error:
    if os.environ.get("CI"):
        raise
    pytest.skip(f"no engine: {error}. Run: make setup", allow_module_level=True)

if not shutil.which("work_queue_worker") and not os.environ.get("CI"):
    pytest.skip("no work_queue_worker on PATH. Run: make setup", allow_module_level=True)

Start = Callable[..., subprocess.Popen[bytes]]
PATIENCE = 60  # seconds until a test gives up; nothing takes as long


@pytest.fixture(autouse=True)
def no_public_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_HOST", "127.0.0.1")


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Any]:
    with wq.WorkQueue(
        port=0, stats_log=str(tmp_path / "stats.log"), transactions_log=str(tmp_path / "transactions.log")
    ) as queue:
        yield queue


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Start]:
    workers: list[subprocess.Popen[bytes]] = []

    def start(
        queue: Any, *options: str, cores: int = 1, memory: int = 500, disk: int = 500
    ) -> subprocess.Popen[bytes]:
        scratch = tmp_path / f"worker-{len(workers)}"
        scratch.mkdir()
        sizes = ["--cores", str(cores), "--memory", str(memory), "--disk", str(disk)]
        command = ["work_queue_worker", "127.0.0.1", str(queue.port), *sizes, "-s", str(scratch)]
        with (scratch / "log").open("wb") as log:
            worker = subprocess.Popen(
                [*command, "-t", str(PATIENCE), "--parent-death", *options], stdout=log, stderr=log
            )
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.terminate()  # it ends its tasks, which it could not if it were killed
    for worker in workers:
        try:
            worker.wait(10)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


@pytest.fixture
def lasting(tmp_path: Path) -> Iterator[str]:
    """Return a command that lasts until the end of the test, whatever happens to its worker."""
    marker = tmp_path / "lasting"
    marker.touch()
    yield f"while [ -e '{marker}' ]; do sleep 0.1; done"
    marker.unlink(missing_ok=True)


def until(queue: Any, condition: Callable[[list[Any]], object]) -> list[Any]:
    """Let the queue work until a condition holds, and return the tasks that finished meanwhile."""
    finished: list[Any] = []
    end = time.monotonic() + PATIENCE
    while not condition(finished):
        assert time.monotonic() < end, f"it did not happen: {queue.stats}"
        if task := queue.wait(1):
            finished.append(task)
    return finished


def run(queue: Any, *tasks: Any) -> list[Any]:
    for task in tasks:
        queue.submit(task)
    return until(queue, lambda finished: len(finished) == len(tasks))


def command(text: str, **needs: Any) -> Any:
    task = wq.Task(text)
    for name, value in needs.items():
        getattr(task, f"specify_{name}")(value)
    return task


# ports


def test_listens_on_the_first_free_port_of_a_range() -> None:
    port = running.free_port()
    with wq.WorkQueue(port=[port, port + 10]) as first, wq.WorkQueue(port=[port, port + 10]) as second:
        assert port <= first.port < second.port <= port + 10


def test_taken_port_is_an_exception(queue: Any) -> None:
    with pytest.raises(Exception, match="queue"):
        wq.WorkQueue(port=[queue.port, queue.port])
    with pytest.raises(Exception, match="queue"):
        wq.WorkQueue(port=queue.port)


def test_port_is_free_after_the_queue() -> None:
    with wq.WorkQueue(port=0) as queue:
        port = queue.port
        assert queue.name is None
    with wq.WorkQueue(port=port) as queue:
        assert queue.port == port


# a task and what is known of it


def test_files_buffers_and_environment(queue: Any, start_worker: Start, tmp_path: Path) -> None:
    (tmp_path / "in put é.txt").write_text("file")
    task = command("cat a.txt b.txt > out.txt; echo $NAME; echo error >&2; exit 3", cores=1, tag="nine")
    task.specify_category("processing")
    task.specify_input_file(str(tmp_path / "in put é.txt"), "a.txt", cache=True)
    task.specify_buffer("buffer", "b.txt", cache=False)
    task.specify_output_file(str(tmp_path / "results" / "out.txt"), "out.txt", cache=False)
    task.specify_environment_variable("NAME", "value")
    (tmp_path / "results").mkdir()
    before = time.time()
    taskid = queue.submit(task)
    assert not queue.empty()
    assert queue.task_state(taskid) == wq.WORK_QUEUE_TASK_READY
    start_worker(queue)

    (done,) = until(queue, len)

    assert done is task
    assert queue.empty()
    assert done.id == taskid
    assert (done.tag, done.category) == ("nine", "processing")
    assert done.command.startswith("cat a.txt")
    assert (done.result, done.result_str) == (wq.WORK_QUEUE_RESULT_SUCCESS, "SUCCESS")
    assert done.return_status == 3
    assert done.std_output == done.output == "value\nerror\n"
    assert (tmp_path / "results" / "out.txt").read_text() == "filebuffer"
    assert done.host.startswith("127.0.0.1:")
    assert done.hostname
    moments = (done.submit_time, done.send_input_start, done.execute_cmd_start, done.execute_cmd_finish)
    assert sorted((*moments, done.finish_time)) == [*moments, done.finish_time]
    assert before - 1 < done.submit_time / 1e6 <= done.finish_time / 1e6 < time.time() + 1
    assert 0 < done.cmd_execution_time < PATIENCE * 1e6
    assert done.total_bytes_sent == len("filebuffer")
    assert done.total_bytes_received >= len("filebuffer")


def test_output_that_is_not_text(queue: Any, start_worker: Start) -> None:
    start_worker(queue)
    (task,) = run(queue, command(r"printf 'a\377b'"))
    assert task.output == "a\udcffb"


def test_cached_file_travels_once(queue: Any, start_worker: Start, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(bytes(100_000))
    tasks = [command("wc -c < big") for _ in range(2)]
    for task in tasks:
        task.specify_input_file(str(big), "big", cache=True)
    start_worker(queue)
    first, second = run(queue, *tasks)
    assert (first.output.strip(), second.output.strip()) == ("100000", "100000")
    assert first.total_bytes_sent >= 100_000 > second.total_bytes_sent


def test_endings_of_commands(queue: Any, start_worker: Start, tmp_path: Path) -> None:
    start_worker(queue)
    fails = command("exit 7", tag="fails")
    killed = command("kill -9 $$", tag="killed")
    absent = command("no-such-command", tag="absent")
    no_output = command("true", tag="no output")
    no_output.specify_output_file(str(tmp_path / "never"), "never")
    no_input = command("true", tag="no input")
    no_input.specify_input_file(str(tmp_path / "missing"), "missing")
    done = {task.tag: task for task in run(queue, fails, killed, absent, no_output, no_input)}

    assert (done["fails"].result, done["fails"].return_status) == (wq.WORK_QUEUE_RESULT_SUCCESS, 7)
    assert (done["absent"].result, done["absent"].return_status) == (wq.WORK_QUEUE_RESULT_SUCCESS, 127)
    assert (done["killed"].result, done["killed"].return_status) != (wq.WORK_QUEUE_RESULT_SUCCESS, 0)
    assert done["no output"].result == wq.WORK_QUEUE_RESULT_OUTPUT_MISSING
    assert done["no input"].result == wq.WORK_QUEUE_RESULT_INPUT_MISSING


def test_many_tasks_each_returned_once(queue: Any, start_worker: Start) -> None:
    start_worker(queue, cores=2)
    for number in range(300):
        queue.submit(command(f"echo {number}", cores=1, memory=1, disk=1))
        if number % 100 == 0:
            gc.collect()
    done = until(queue, lambda finished: len(finished) == 300)
    assert sorted(int(task.output) for task in done) == list(range(300))
    assert len({task.id for task in done}) == 300


def test_queue_keeps_the_tasks_it_has(queue: Any, start_worker: Start) -> None:
    ids = {queue.submit(command(f"echo {number}")) for number in range(5)}
    gc.collect()
    start_worker(queue)
    assert {task.id for task in until(queue, lambda finished: len(finished) == 5)} == ids
    gc.collect()


def test_queue_may_end_before_its_tasks(start_worker: Start, lasting: str) -> None:
    with wq.WorkQueue(port=0) as queue:
        tasks = [command(lasting), command("true")]
        for task in tasks:
            queue.submit(task)
        start_worker(queue)
        until(queue, lambda _: queue.stats.tasks_on_workers)
    del tasks, task
    gc.collect()


# resources


def test_allocation_is_what_was_asked_for(queue: Any, start_worker: Start) -> None:
    start_worker(queue, cores=2, memory=400, disk=400)
    (task,) = run(queue, command("echo $CORES $MEMORY $DISK", cores=2, memory=300, disk=200))
    requested, allocated = task.resources_requested, task.resources_allocated
    assert (requested.cores, requested.memory, requested.disk) == (2, 300, 200)
    assert allocated.cores == 2
    assert allocated.memory >= 300
    assert allocated.disk >= 200
    assert task.output.split()[0] == "2"


def test_two_tasks_share_a_worker_by_their_cores(queue: Any, start_worker: Start, lasting: str) -> None:
    start_worker(queue, cores=2)
    for _ in range(2):
        queue.submit(command(lasting, cores=1))
    until(queue, lambda _: queue.stats.tasks_running == 2)
    assert queue.stats.workers_busy == 1


def test_monitor_measures(queue: Any, start_worker: Start) -> None:
    assert queue.enable_monitoring(watchdog=False)
    start_worker(queue)
    (task,) = run(queue, command("sleep 0.3", cores=1, memory=50, disk=50))
    measured = task.resources_measured
    assert (task.result, task.return_status) == (0, 0)
    assert 0.2 < measured.wall_time < PATIENCE, "seconds"
    assert 0 <= measured.cpu_time < PATIENCE
    assert 0 < measured.memory < 50, "MB"
    assert measured.disk >= 0
    assert task.limits_exceeded is None


def test_watchdog_ends_what_takes_too_much(queue: Any, start_worker: Start, lasting: str) -> None:
    queue.enable_monitoring(watchdog=True)
    queue.specify_category_mode("greedy", wq.WORK_QUEUE_ALLOCATION_MODE_FIXED)
    queue.tune("force-proportional-resources", 0)  # raises the limit, in the releases that know it
    start_worker(queue)
    # the monitor sometimes leaves a child of the shell alive
    program = f'import os; block = bytearray(200_000_000); os.system("{lasting}")'
    task = command(
        f"{sys.executable} -c {shlex.quote(program)}", category="greedy", cores=1, memory=50, disk=50
    )
    (task,) = run(queue, task)
    assert task.result == wq.WORK_QUEUE_RESULT_RESOURCE_EXHAUSTION
    assert task.limits_exceeded.memory == 50
    assert task.resources_measured.memory > 150


def test_settings_are_taken(queue: Any, start_worker: Start) -> None:
    queue.specify_category_mode("c", wq.WORK_QUEUE_ALLOCATION_MODE_MAX)
    queue.specify_category_max_resources("c", {"cores": 1, "memory": 200, "disk": 200})
    queue.specify_category_min_resources("c", {"memory": 20})
    queue.specify_category_first_allocation_guess("c", {"memory": 100})
    queue.specify_max_resources({"cores": 1})
    queue.specify_keepalive_interval(20)
    queue.specify_keepalive_timeout(10)
    queue.activate_fast_abort_category("c", -1)
    queue.specify_algorithm(wq.WORK_QUEUE_SCHEDULE_FILES)
    assert queue.tune("short-timeout", 10) == 0
    assert queue.tune("no-such-parameter", 1) == -1
    queue.tune("force-proportional-resources", 0)  # which newer releases begin with, and Debian's has not
    assert queue.specify_min_taskid(1000) == 1000
    start_worker(queue)
    task = command("true", category="c", priority=2.0, max_retries=3, running_time_max=30)
    task.specify_algorithm(wq.WORK_QUEUE_SCHEDULE_FCFS)
    (task,) = run(queue, task)
    assert task.id >= 1000
    assert (task.result, task.return_status) == (0, 0)
    assert task.resources_allocated.memory <= 200


# workers


def test_password(queue: Any, start_worker: Start, tmp_path: Path) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("secret\n")
    wrong.write_text("guess\n")
    assert queue.specify_password_file(str(right))
    queue.submit(command("echo done"))
    intruder = start_worker(queue, "-P", str(wrong), "--connect-timeout", "3")
    until(queue, lambda _: intruder.poll() is not None)
    assert queue.stats.tasks_dispatched == 0
    start_worker(queue, "-P", str(right))
    (task,) = until(queue, len)
    assert task.output == "done\n"


def test_task_of_a_lost_worker_runs_elsewhere(queue: Any, start_worker: Start) -> None:
    victim = start_worker(queue)
    # ends with its worker: until then it holds the connection, and the manager sees no loss
    queue.submit(command("while kill -0 $PPID; do sleep 0.1; done 2>/dev/null"))
    until(queue, lambda _: queue.stats.tasks_running == 1)
    victim.kill()
    victim.wait()
    until(queue, lambda _: queue.stats.workers_lost == 1)
    assert queue.stats.tasks_waiting == 1
    start_worker(queue)
    until(queue, lambda _: queue.stats.tasks_running == 1)


def test_task_that_outlives_its_worker_runs_elsewhere_after_the_keepalive(
    queue: Any, start_worker: Start, lasting: str, tmp_path: Path
) -> None:
    queue.specify_keepalive_interval(1)
    queue.specify_keepalive_timeout(2)
    victim = start_worker(queue)
    queue.submit(command(lasting))
    until(queue, lambda _: queue.stats.tasks_running == 1)
    victim.kill()
    victim.wait()
    until(queue, lambda _: queue.stats.workers_removed == 1)
    (tmp_path / "lasting").unlink()
    start_worker(queue)
    (task,) = until(queue, len)
    assert (task.result, task.return_status) == (0, 0)


def test_blocked_host_gets_no_task(queue: Any, start_worker: Start) -> None:
    start_worker(queue)
    (task,) = run(queue, command("true"))
    queue.block_host(task.hostname)
    queue.submit(command("echo again"))
    assert queue.wait(2) is None
    assert queue.stats.tasks_waiting == 1
    queue.unblock_host(task.hostname)
    start_worker(queue)
    (task,) = until(queue, len)
    assert task.output == "again\n"


def test_shutdown_ends_workers(queue: Any, start_worker: Start) -> None:
    worker = start_worker(queue)
    until(queue, lambda _: queue.stats.workers_idle)
    assert queue.shutdown_workers(0) == 1
    until(queue, lambda _: worker.poll() is not None)


# statistics and logs


def test_statistics(queue: Any, start_worker: Start) -> None:
    start_worker(queue, cores=2, memory=400, disk=300)
    run(queue, command("true", cores=1, category="c"))
    stats = queue.stats
    assert (stats.workers_connected, stats.workers_joined, stats.workers_idle) == (1, 1, 1)
    assert stats.workers_busy == stats.workers_lost == stats.workers_removed == stats.workers_blocked == 0
    assert (stats.tasks_submitted, stats.tasks_dispatched, stats.tasks_done, stats.tasks_failed) == (
        1,
        1,
        1,
        0,
    )
    assert (
        stats.tasks_waiting == stats.tasks_running == stats.tasks_on_workers == stats.tasks_with_results == 0
    )
    assert (stats.total_cores, stats.total_memory, stats.total_disk) == (2, 400, 300)
    assert (stats.max_cores, stats.committed_cores) == (2, 0)
    assert stats.time_when_started / 1e6 == pytest.approx(time.time(), abs=PATIENCE)
    assert stats.time_workers_execute > 0
    assert stats.bytes_sent >= 0
    assert 0 <= stats.manager_load <= 1
    assert queue.stats_category("c").tasks_done == 1
    (kind,) = queue.workers_summary()
    assert (kind["workers"], kind["cores"]) == (1, 2)
    assert queue.hungry() > 0


def test_logs(queue: Any, start_worker: Start, tmp_path: Path) -> None:
    start_worker(queue)
    (task,) = run(queue, command("true", category="logged"))
    queue.shutdown_workers(0)
    until(queue, lambda _: queue.stats.workers_connected == 0)
    header, *rows = (tmp_path / "stats.log").read_text().splitlines()
    assert header.split()[:3] == ["#", "timestamp", "workers_connected"]
    assert all(len(row.split()) == len(header.split()) - 1 for row in rows)
    transactions = (tmp_path / "transactions.log").read_text()
    assert f"TASK {task.id} WAITING logged" in transactions
    assert f"TASK {task.id} DONE SUCCESS" in transactions
