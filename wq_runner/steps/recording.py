"""What a run leaves behind however it ends: its journal, its log, its status, its report, run.json."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
from collections.abc import Iterator

from rich.console import Console

from wq_runner import checksums, system
from wq_runner.directory import earlier
from wq_runner.directory.opening import start_logging
from wq_runner.directory.record import Record
from wq_runner.errors import InterruptedRunError, WqRunnerError
from wq_runner.journal import Journal
from wq_runner.ledger.totals import out_of_memory
from wq_runner.monitor.watch import Watch
from wq_runner.run_events import RunEnded, RunStarted
from wq_runner.steps import choosing
from wq_runner.steps.request import Request
from wq_runner.system import RunPaths


@contextlib.contextmanager
def recording(
    request: Request, record: Record, paths: RunPaths, console: Console
) -> Iterator[tuple[Journal, Watch]]:
    """Keep the journal, the log, the status, the report and run.json, however the run ends."""
    settings = request.settings
    watch = Watch(paths, http=settings.monitoring.port, clock=record.clock)
    journal = Journal(paths.journal, listeners=[watch, record.spent], clock=record.clock)
    log_file = start_logging(paths.debug_log, settings.monitoring.loglevel)
    code, message = 1, "an error of wq-runner itself"
    try:
        journal.record(
            RunStarted(
                command=tuple(request.command), version=request.version, host=platform.node(), pid=os.getpid()
            ),
            at=record.started,  # so that a run has one duration, wherever it is told
        )
        yield journal, watch
        code, message = 0, ""
    except WqRunnerError as error:
        code, message = error.exit_code, str(error)
        raise
    except KeyboardInterrupt as error:
        stopped = InterruptedRunError(
            "interrupted", hint="what was done is kept: the same command continues where this one stopped"
        )
        code, message = stopped.exit_code, stopped.message
        raise stopped from error
    except MemoryError as error:
        lacking = out_of_memory("to go on")
        code, message = lacking.exit_code, lacking.message
        raise lacking from error
    except OSError as error:
        full = system.refused(error, paths.root)
        code, message = full.exit_code, full.message
        raise full from error
    finally:
        finished = record.clock()
        # the disk may be full: what ended the run is said all the same
        with contextlib.suppress(OSError):
            journal.record(RunEnded(code=code, message=message))
            record.left_behind = watch.glance().left_behind
            checksums.write_json(paths.summary, record.as_json(code=code, message=message, finished=finished))
            earlier.forget(paths, record)
            choosing.tidy(paths, record, settings.output.keep_results, console)
        watch.finish(record.as_json(code=code, message=message, finished=finished))
        journal.close()
        logging.getLogger("wq_runner").removeHandler(log_file)  # or it would be opened again
        log_file.close()
