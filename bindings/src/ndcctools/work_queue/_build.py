"""Compile the extension module over the engine's own header and static libraries."""

import re
import sysconfig
from pathlib import Path

from cffi import FFI

PREFIXES = (Path("/usr"), Path("/usr/local"))


def find(*candidates: str) -> Path:
    for prefix in PREFIXES:
        for candidate in candidates:
            if (prefix / candidate).exists():
                return prefix / candidate
    message = f"{candidates[0]} is neither in {' nor in '.join(map(str, PREFIXES))}: "
    raise FileNotFoundError(message + "apt-get install coop-computing-tools-dev")


def library(name: str) -> str:
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    return str(find(f"lib/{name}", f"lib/{multiarch}/{name}", f"lib64/{name}"))


def constants(header: str) -> list[str]:
    """Return the names of the engine's enumerations and numeric macros."""
    members = re.findall(r"^\s+(WORK_QUEUE_[A-Z_]+)\s*(?:=|,|/|$)", header, re.MULTILINE)
    macros = re.findall(r"^#define\s+(WORK_QUEUE_[A-Z_]+)\s+-?\d", header, re.MULTILINE)
    return sorted({*members, *macros})


HEADER = find("include/cctools/work_queue.h")

# Only what is used; cffi asks the compiler for the layout, and for what `...` leaves out.
DECLARATIONS = """
typedef uint64_t timestamp_t;
typedef int... off_t;

struct rmsummary {
    char *category, *command, *taskid, *exit_type;
    int64_t signal, exit_status, last_error;
    double start, end, cores, cores_avg, gpus, wall_time, cpu_time, memory, virtual_memory, swap_memory,
        disk, bytes_read, bytes_written, bytes_received, bytes_sent, bandwidth, machine_cpus, machine_load,
        context_switches, max_concurrent_processes, total_processes, total_files, fs_nodes, workers;
    struct rmsummary *limits_exceeded, *peak_times;
    char *snapshot_name;
    size_t snapshots_count;
    struct rmsummary **snapshots;
    ...;
};
struct rmsummary *rmsummary_create(double default_value);
void rmsummary_delete(struct rmsummary *s);

struct work_queue_task {
    char *tag, *command_line;
    int worker_selection_algorithm;
    char *output;
    int taskid, return_status;
    int result;
    char *host, *hostname, *category;
    double priority;
    int max_retries, try_count, exhausted_attempts, fast_abort_count;
    timestamp_t time_when_submitted, time_when_done, time_when_commit_start, time_when_commit_end,
        time_when_retrieval, time_workers_execute_last, time_workers_execute_all,
        time_workers_execute_exhaustion, time_workers_execute_failure;
    int64_t bytes_received, bytes_sent, bytes_transferred;
    struct rmsummary *resources_allocated, *resources_measured, *resources_requested;
    timestamp_t time_app_delay;
    ...;
};

struct work_queue_stats {
    int workers_connected, workers_init, workers_idle, workers_busy, workers_able, workers_joined,
        workers_removed, workers_released, workers_idled_out, workers_fast_aborted, workers_blocked,
        workers_lost, tasks_waiting, tasks_on_workers, tasks_running, tasks_with_results, tasks_submitted,
        tasks_dispatched, tasks_done, tasks_failed, tasks_cancelled, tasks_exhausted_attempts;
    timestamp_t time_when_started, time_send, time_receive, time_send_good, time_receive_good,
        time_status_msgs, time_internal, time_polling, time_application, time_workers_execute,
        time_workers_execute_good, time_workers_execute_exhaustion;
    int64_t bytes_sent, bytes_received;
    double bandwidth;
    int capacity_tasks, capacity_cores, capacity_memory, capacity_disk, capacity_gpus,
        capacity_instantaneous, capacity_weighted;
    int64_t total_cores, total_memory, total_disk, total_gpus, committed_cores, committed_memory,
        committed_disk, committed_gpus, max_cores, max_memory, max_disk, max_gpus, min_cores, min_memory,
        min_disk, min_gpus;
    double manager_load;
    ...;
};
struct work_queue;

struct work_queue_task *work_queue_task_create(const char *command);
struct work_queue_task *work_queue_task_clone(const struct work_queue_task *t);
void work_queue_task_delete(struct work_queue_task *t);
void work_queue_task_specify_command(struct work_queue_task *t, const char *command);
int work_queue_task_specify_file(struct work_queue_task *t, const char *local_name, const char *remote_name,
    int type, int flags);
int work_queue_task_specify_file_piece(struct work_queue_task *t, const char *local_name,
    const char *remote_name, off_t start_byte, off_t end_byte, int type, int flags);
int work_queue_task_specify_buffer(struct work_queue_task *t, const char *data, int length,
    const char *remote_name, int flags);
int work_queue_task_specify_directory(struct work_queue_task *t, const char *local_name,
    const char *remote_name, int type, int flags, int recursive);
int work_queue_task_specify_file_command(struct work_queue_task *t, const char *remote_name,
    const char *command, int type, int flags);
int work_queue_specify_snapshot_file(struct work_queue_task *t, const char *name);
void work_queue_task_specify_max_retries(struct work_queue_task *t, int64_t n);
void work_queue_task_specify_memory(struct work_queue_task *t, int64_t megabytes);
void work_queue_task_specify_disk(struct work_queue_task *t, int64_t megabytes);
void work_queue_task_specify_cores(struct work_queue_task *t, int n);
void work_queue_task_specify_gpus(struct work_queue_task *t, int n);
void work_queue_task_specify_end_time(struct work_queue_task *t, int64_t useconds);
void work_queue_task_specify_running_time(struct work_queue_task *t, int64_t useconds);
void work_queue_task_specify_running_time_max(struct work_queue_task *t, int64_t seconds);
void work_queue_task_specify_running_time_min(struct work_queue_task *t, int64_t seconds);
void work_queue_task_specify_tag(struct work_queue_task *t, const char *tag);
void work_queue_task_specify_category(struct work_queue_task *t, const char *category);
void work_queue_task_specify_feature(struct work_queue_task *t, const char *name);
void work_queue_task_specify_priority(struct work_queue_task *t, double priority);
void work_queue_task_specify_environment_variable(struct work_queue_task *t, const char *name,
    const char *value);
void work_queue_task_specify_algorithm(struct work_queue_task *t, int algorithm);
void work_queue_task_specify_monitor_output(struct work_queue_task *t, const char *directory);
const char *work_queue_result_str(int result);

struct work_queue *work_queue_create(int port);
void work_queue_delete(struct work_queue *q);
int work_queue_port(struct work_queue *q);
const char *work_queue_name(struct work_queue *q);
int work_queue_submit(struct work_queue *q, struct work_queue_task *t);
struct work_queue_task *work_queue_wait(struct work_queue *q, int timeout);
int work_queue_hungry(struct work_queue *q);
int work_queue_empty(struct work_queue *q);
int work_queue_task_state(struct work_queue *q, int taskid);
struct work_queue_task *work_queue_cancel_by_taskid(struct work_queue *q, int id);
struct work_queue_task *work_queue_cancel_by_tasktag(struct work_queue *q, const char *tag);
void work_queue_get_stats(struct work_queue *q, struct work_queue_stats *s);
void work_queue_get_stats_hierarchy(struct work_queue *q, struct work_queue_stats *s);
void work_queue_get_stats_category(struct work_queue *q, const char *category, struct work_queue_stats *s);
struct rmsummary **work_queue_workers_summary(struct work_queue *q);
int work_queue_enable_monitoring(struct work_queue *q, char *directory, int watchdog);
int work_queue_enable_monitoring_full(struct work_queue *q, char *directory, int watchdog);
int work_queue_activate_fast_abort(struct work_queue *q, double multiplier);
int work_queue_activate_fast_abort_category(struct work_queue *q, const char *category, double multiplier);
int work_queue_specify_draining_by_hostname(struct work_queue *q, const char *hostname, int drain);
int work_queue_specify_category_mode(struct work_queue *q, const char *category, int mode);
int work_queue_enable_category_resource(struct work_queue *q, const char *category, const char *resource,
    int autolabel);
void work_queue_specify_algorithm(struct work_queue *q, int algorithm);
void work_queue_specify_task_order(struct work_queue *q, int order);
void work_queue_specify_name(struct work_queue *q, const char *name);
void work_queue_specify_priority(struct work_queue *q, int priority);
void work_queue_specify_num_tasks_left(struct work_queue *q, int n);
void work_queue_specify_manager_mode(struct work_queue *q, int mode);
void work_queue_manager_preferred_connection(struct work_queue *q, const char *mode);
void work_queue_specify_catalog_server(struct work_queue *q, const char *hostname, int port);
int work_queue_specify_min_taskid(struct work_queue *q, int minid);
int work_queue_specify_log(struct work_queue *q, const char *name);
int work_queue_specify_transactions_log(struct work_queue *q, const char *name);
void work_queue_specify_password(struct work_queue *q, const char *password);
int work_queue_specify_password_file(struct work_queue *q, const char *name);
void work_queue_specify_keepalive_interval(struct work_queue *q, int seconds);
void work_queue_specify_keepalive_timeout(struct work_queue *q, int seconds);
void work_queue_specify_estimate_capacity_on(struct work_queue *q, int on);
int work_queue_tune(struct work_queue *q, const char *name, double value);
void work_queue_specify_max_resources(struct work_queue *q, const struct rmsummary *rm);
void work_queue_specify_min_resources(struct work_queue *q, const struct rmsummary *rm);
void work_queue_specify_category_max_resources(struct work_queue *q, const char *category,
    const struct rmsummary *rm);
void work_queue_specify_category_min_resources(struct work_queue *q, const char *category,
    const struct rmsummary *rm);
void work_queue_specify_category_first_allocation_guess(struct work_queue *q, const char *category,
    const struct rmsummary *rm);
void work_queue_initialize_categories(struct work_queue *q, struct rmsummary *max, const char *name);
void work_queue_invalidate_cached_file(struct work_queue *q, const char *local_name, int type);
void work_queue_block_host(struct work_queue *q, const char *hostname);
void work_queue_block_host_with_timeout(struct work_queue *q, const char *hostname, time_t seconds);
void work_queue_unblock_host(struct work_queue *q, const char *hostname);
void work_queue_unblock_all(struct work_queue *q);
int work_queue_shut_down_workers(struct work_queue *q, int n);

void cctools_debug_config(const char *name);
void cctools_debug_config_file(const char *name);
void cctools_debug_config_file_size(off_t size);
int cctools_debug_flags_set(const char *flag);
void free(void *p);
"""

ffi = FFI()
ffi.cdef("typedef int... time_t;\n" + DECLARATIONS)
ffi.cdef("\n".join(f"#define {name} ..." for name in constants(HEADER.read_text())))
ffi.set_source(
    "ndcctools.work_queue._cwork_queue",
    "#include <stdlib.h>\n#include <time.h>\n#include <cctools/work_queue.h>\n#include <cctools/debug.h>\n",
    include_dirs=[str(HEADER.parent.parent)],
    extra_objects=[library("libwork_queue.a"), library("libdttools.a")],
    libraries=["z", "m"],
)
