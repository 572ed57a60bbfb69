#!/bin/sh
# A work_queue_worker with what it needs, made by wq-runner.
managers=h.example:9123
password=secret
image=/cvmfs/image
scratch=/scratch
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
set --  "$@"

[ -n "$scratch" ] || scratch=${_CONDOR_SCRATCH_DIR:-${SLURM_TMPDIR:-${TMPDIR:-/tmp}}}
place=$(mktemp -d "$scratch/wq-worker-XXXXXX") || exit 1
trap 'rm -rf "$place"' EXIT

inside() {
    if [ -n "$image" ]; then
        apptainer exec --bind "$place" "$image" "$@"
    else
        "$@"
    fi
}

worker=$place/work_queue_worker
sed '1,/^__WORKER__$/d' "$0" | base64 -d | gzip -d >"$worker" 2>/dev/null && chmod 700 "$worker"
if ! said=$(inside "$worker" --version 2>&1); then
    said=$(printf %s "$said" | sed "s|$place/||g" | tr '\n' ' ')
    worker=work_queue_worker
    if ! inside "$worker" --version >/dev/null 2>&1; then
        echo "wq-runner: the worker of the run does not start on $(uname -n), and none is installed there: $said" >&2
        exit 1
    fi
    echo "wq-runner: the worker of the run does not start on $(uname -n), so the one that is installed there is tried: $said" >&2
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
__WORKER__
H4sIAAAAAAACAyvJSFUoKMpPL0rMBQBe2k8HCwAAAA==
