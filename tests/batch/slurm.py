"""A real Slurm on this machine, for tests: munged, slurmctld and slurmd of our own, on free ports."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import running
from batch import needs

_CONF = """\
ClusterName=tests
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={directory}/munge.socket
CredType=cred/munge
CryptoType=crypto/munge
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool
SlurmctldPidFile={directory}/slurmctld.pid
SlurmdPidFile={directory}/slurmd.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdLogFile={directory}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/builtin
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=5
MinJobAge=5
NodeName=localhost NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=short Nodes=ALL Default=YES MaxTime=1:00:00 State=UP
PartitionName=long Nodes=ALL Default=NO MaxTime=INFINITE State=UP
"""


@dataclass
class Slurm:
    """The cluster; `environ` is what its commands need."""

    directory: Path
    environ: dict[str, str]
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def command(self, *arguments: str) -> str:
        """Run one of its commands, and return what it prints."""
        done = subprocess.run(
            arguments,
            env={**os.environ, **self.environ},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return done.stdout.strip()

    def jobs(self) -> list[str]:
        """Return the ids of jobs that wait or run."""
        return self.command("squeue", "--noheader", "--states=PD,R,CF,CG", "--format=%A").split()

    def running(self) -> list[str]:
        return self.command("squeue", "--noheader", "--states=R", "--format=%A").split()

    def log(self) -> str:
        names = ("slurmctld.log", "slurmd.log")
        return "\n".join((self.directory / name).read_text()[-3000:] for name in names)


def _daemon(slurm: Slurm, *command: str) -> None:
    with (slurm.directory / f"{Path(command[0]).name}.out").open("wb") as log:
        slurm.daemons.append(
            subprocess.Popen(
                command,
                env={**os.environ, **slurm.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        )


@contextlib.contextmanager
def cluster(directory: Path) -> Iterator[Slurm]:
    """Start a cluster of one node, and end it."""
    needs.programs("munged", "slurmctld", "slurmd", "sbatch", root=True)
    directory.chmod(0o755)
    for name in ("state", "spool"):
        (directory / name).mkdir()
    key = directory / "munge.key"
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(128))
    slurm = Slurm(directory=directory, environ={"SLURM_CONF": str(directory / "slurm.conf")})
    cpus = max(4, os.cpu_count() or 1)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20 - 100
    (directory / "slurm.conf").write_text(
        _CONF.format(
            directory=directory,
            controller=running.free_port(),
            node=running.free_port(),
            cpus=cpus,
            memory=memory,
        )
    )
    try:
        socket, log = directory / "munge.socket", directory / "munged.log"
        _daemon(
            slurm,
            "/usr/sbin/munged",
            "--foreground",
            "--force",
            f"--socket={socket}",
            f"--key-file={key}",
            f"--log-file={log}",
            f"--pid-file={directory}/munged.pid",
            f"--seed-file={directory}/munged.seed",
            "--num-threads=2",
        )
        running.until(socket.exists, "munged listens")
        _daemon(slurm, "/usr/sbin/slurmctld", "-D", "-f", slurm.environ["SLURM_CONF"])
        _daemon(slurm, "/usr/sbin/slurmd", "-D", "-f", slurm.environ["SLURM_CONF"], "-N", "localhost")
        running.until(lambda: _idle(slurm), "the node is idle")
        yield slurm
    finally:
        _end(slurm)


def _idle(slurm: Slurm) -> bool:
    try:
        return "idle" in slurm.command("sinfo", "--noheader", "--format=%T")
    except subprocess.SubprocessError:
        return False


def _end(slurm: Slurm) -> None:
    with contextlib.suppress(subprocess.SubprocessError):
        slurm.command("scancel", "--signal=KILL", "--full", "--user=root")
    with contextlib.suppress(subprocess.SubprocessError, AssertionError):
        running.until(lambda: not slurm.jobs(), "no jobs", patience=20)
    for daemon in reversed(slurm.daemons):
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
    # the engine's script of a job has a loop that says every 30 s that it lives; the script ends it, but
    # not the pause that it is in. A cluster with control groups ends all of a job.
    for pid, command in running.inherited("SLURM_CONF", slurm.environ["SLURM_CONF"]).items():
        if command == "sleep 30 ":
            running.kill(pid)
