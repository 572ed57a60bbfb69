"""A worker in one file: a shell script that holds the engine's program, and perhaps a password.

A batch system ships it to a node that shares no file system with us and has no engine installed.
"""

from __future__ import annotations

import base64
import gzip
import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wq_runner import system
from wq_runner.workers.batch import SCRATCH
from wq_runner.workers.local import find_program

_MARK = "__WORKER__"

OURS = "wq-runner: "
UNABLE = f"{OURS}the worker of the run does not start on "
"""How a script begins to say what the loader, or Apptainer, said of its program; the node's name follows."""

_TEMPLATE = """\
#!/bin/sh
# A work_queue_worker with what it needs, made by wq-runner.
managers={managers}
password={password}
image={image}
scratch={scratch}
umask 077

if [ -n "$managers" ]; then
    # it is told where its manager is: what would look for one by its name is left out
    left=$#
    while [ "$left" -gt 0 ]; do
        word=$1
        shift
        left=$((left - 1))
        case $word in
        -M | -N | -C | -d | -o)
            shift
            left=$((left - 1))
            ;;
        --manager-name=* | --catalog=*) ;;
        *) set -- "$@" "$word" ;;
        esac
    done
fi
set -- {arguments} "$@"

[ -n "$scratch" ] || scratch={place}
place=$(mktemp -d "$scratch/wq-worker-XXXXXX") || exit 1
trap 'rm -rf "$place"' EXIT

inside() {{
    if [ -n "$image" ]; then
        apptainer exec --bind "$place" "$image" "$@"
    else
        "$@"
    fi
}}

worker=$place/work_queue_worker
sed '1,/^{mark}$/d' "$0" | base64 -d | gzip -d >"$worker" 2>/dev/null && chmod 700 "$worker"
if ! said=$(inside "$worker" --version 2>&1); then
    said=$(printf %s "$said" | sed "s|$place/||g" | tr '\\n' ' ')
    worker=work_queue_worker
    if ! inside "$worker" --version >/dev/null 2>&1; then
        echo "{unable}$(uname -n), and none is installed there: $said" >&2
        exit 1
    fi
    echo "{unable}$(uname -n), so the one that is installed there is tried: $said" >&2
fi

if [ -n "$password" ]; then
    printf %s "$password" >"$place/password"
    set -- "--password=$place/password" "$@"
fi
set -- "$worker" "--workdir=$place" --parent-death "$@"
[ -z "$managers" ] || set -- "$@" "$managers"
[ -z "$image" ] || set -- apptainer exec --bind "$place" "$image" "$@"

"$@" &
child=$!
trap 'kill -TERM $child 2>/dev/null' TERM INT HUP
wait $child
code=$?
if kill -0 $child 2>/dev/null; then
    wait $child
    code=$?
fi
exit $code
{mark}
"""


@dataclass(frozen=True, kw_only=True)
class Kit:
    """What a worker's script is told.

    `managers` is ``HOST:PORT`` (several with ``;``), else the worker looks for one by its arguments.
    `image` is one for Apptainer, `scratch` a directory of the node.
    """

    managers: str = ""
    password: str = ""
    image: str = ""
    scratch: str = ""
    arguments: Sequence[str] = ()


def script(kit: Kit, program: bytes) -> str:
    """Return the text of the script, with the program in it."""
    payload = base64.b64encode(gzip.compress(program, mtime=0)).decode()
    head = _TEMPLATE.format(
        managers=shlex.quote(kit.managers),
        password=shlex.quote(kit.password),
        image=shlex.quote(kit.image),
        scratch=shlex.quote(kit.scratch),
        place=SCRATCH,
        arguments=shlex.join(kit.arguments),
        mark=_MARK,
        unable=UNABLE,
    )
    return head + "\n".join(textwrap.wrap(payload, 76)) + "\n"


def shown(text: str) -> str:
    """Return a script without its password and its program, to be looked at."""
    head = text.partition(f"\n{_MARK}\n")[0]
    lines = ["password=..." if line.startswith("password=") else line for line in head.splitlines()]
    return "\n".join(lines)


def write(kit: Kit, path: Path) -> Path:
    """Write the script of this machine's worker, that only this user may read."""
    system.make_private(path.parent)
    path.touch(mode=0o700)
    path.chmod(0o700)
    path.write_text(script(kit, Path(find_program()).read_bytes()))
    return path
