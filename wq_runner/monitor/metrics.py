"""The state of a run as Prometheus reads it: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wq_runner.monitor.view import COMPLETE, DIED, FAILED, INTERRUPTED, PARTIAL, RUNNING, USES, RunView

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_COLUMNS = ("hit", "missed", "kept")  # bytes of columns

Sample = tuple[Mapping[str, str], float]


def metrics(view: RunView) -> str:
    """Return all metrics. Times are in seconds, sizes in bytes, as Prometheus wants them."""
    unit = {"unit": view.unit}
    now, tasks = view.workers, view.tasks
    states = (RUNNING, COMPLETE, PARTIAL, FAILED, INTERRUPTED, DIED)
    parts = [
        _metric(
            "run_state",
            "gauge",
            "1 for the state the run is in.",
            [({"state": s}, s == view.state) for s in states],
        ),
        _metric("start_time_seconds", "gauge", "When the run started.", [({}, view.started)]),
        _metric("run_seconds", "gauge", "How long the run has lasted.", [({}, view.seconds)]),
    ]
    for name, kind, text in (
        ("planned", "gauge", "What is to be done"),
        ("done", "counter", "What is in the result"),
        ("skipped", "counter", "What was left out"),
    ):
        parts.append(
            _metric(
                f"{name}{'_total' if kind == 'counter' else ''}",
                kind,
                f"{text}, by dataset.",
                [({"dataset": one.name, **unit}, getattr(one, name)) for one in view.datasets],
            )
        )
    parts += [
        _metric("rate", "gauge", "Done per second in the last minute.", [(unit, view.total.rate)]),
        _metric(
            "left_seconds", "gauge", "Time left.", [] if view.total.left is None else [({}, view.total.left)]
        ),
        _metric(
            "workers",
            "gauge",
            "Workers.",
            [({"state": "connected"}, now.connected), ({"state": "busy"}, now.busy)],
        ),
        _metric("workers_joined_total", "counter", "Workers that came.", [({}, now.joined)]),
        _metric("workers_lost_total", "counter", "Workers that were lost.", [({}, now.lost)]),
        _metric(
            "cores",
            "gauge",
            "Cores of the workers.",
            [({"state": "all"}, now.cores), ({"state": "busy"}, now.cores_used)],
        ),
        _metric(
            "memory_bytes",
            "gauge",
            "Memory of the workers.",
            [
                ({"state": "all"}, now.memory),
                ({"state": "allocated"}, now.memory_used),
                ({"state": "measured"}, now.memory_measured),
            ],
        ),
        _metric(
            "tasks",
            "gauge",
            "Tasks.",
            [({"state": "running"}, tasks.running), ({"state": "waiting"}, tasks.waiting)],
        ),
        _metric("tasks_submitted_total", "counter", "Tasks submitted.", [({}, tasks.submitted)]),
        _metric(
            "attempts_total",
            "counter",
            "Attempts that ended, by whether they brought a result.",
            [({"useful": "yes"}, tasks.useful), ({"useful": "no"}, tasks.ended - tasks.useful)],
        ),
        _metric("failures_total", "counter", "Failures of all kinds.", [({}, view.failures)]),
        _metric(
            "retries_total",
            "counter",
            "Retries and splits by cause.",
            [({"cause": k}, v) for k, v in view.retries.items()],
        ),
        _metric(
            "chunks_read_elsewhere_total",
            "counter",
            "Chunks read from another server than the first.",
            [({"server": one.server, "instead": one.instead}, one.chunks) for one in view.elsewhere],
        ),
        _metric(
            "core_seconds_total",
            "counter",
            "Where the time of the cores went.",
            [({"use": use}, getattr(view.core_time, use)) for use in USES if use not in {"running", "idle"}],
        ),
        _metric(
            "core_seconds_available_total", "counter", "Time of all cores.", [({}, view.core_time.available)]
        ),
        _metric(
            "bytes_total",
            "counter",
            "Bytes read from input, sent to workers and received from them.",
            [({"direction": name}, getattr(view.moved, name)) for name in ("read", "sent", "received")],
        ),
        _metric(
            "column_bytes_total",
            "counter",
            "Bytes of columns from those that workers keep (hit), from files (missed), and kept.",
            [] if view.columns is None else [({"what": k}, getattr(view.columns, k)) for k in _COLUMNS],
        ),
        _metric("engine_restarts_total", "counter", "Restarts of the engine.", [({}, now.engine_restarts)]),
    ]
    return "".join(parts)


def _metric(name: str, kind: str, text: str, samples: Iterable[Sample]) -> str:
    full = f"wq_runner_{name}"
    lines = [f"# HELP {full} {text}", f"# TYPE {full} {kind}"]
    lines += [f"{full}{_labels(labels)} {float(value)!r}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
