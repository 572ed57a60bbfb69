# Runs one job of an export: job.sh NAME. Needs what its environment needs, and a batch system or none.
#
# Works in a scratch directory, and brings back the directory of its run whole: to results/ where that can be
# seen, else as a directory NAME for the batch system to take along. Its exit code is that of wq-run.

PATH=${PATH:+$PATH:}/usr/bin:/bin:/usr/local/bin
export PATH
job=$1
home=$(cd "$(dirname "$0")" && pwd) || exit 1
scratch=${scratch:-$node_scratch}
work=$(mktemp -d "$scratch/wq-job-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
result=$work/result
mkdir "$result" "$work/task" || exit 1

# The options of a job are those that were exported, whatever the one who submits it has set.
for name in $(env | sed -n 's/^\(WQ_RUNNER_[A-Z0-9_]*\)=.*/\1/p'); do
    unset "$name"
done
# where the environment is unpacked beside
WORK_QUEUE_SANDBOX=$work
# the batch system's log is read while the job runs
PYTHONUNBUFFERED=1
export WORK_QUEUE_SANDBOX PYTHONUNBUFFERED

# follow COMMAND...: run it, and let it end by itself when the batch system ends the job
follow() {
    "$@" &
    child=$!
    trap 'kill -TERM $child 2>/dev/null' TERM INT HUP
    wait $child
    code=$?
    if kill -0 $child 2>/dev/null; then
        wait $child
        code=$?
    fi
    return $code
}

find_input() { # in its own place, or beside this script, where a batch system puts everything
    [ -e "$home/$1" ] && echo "$home/$1" || echo "$home/${1##*/}"
}

checkout() {
    git clone --quiet "$repository" "$work/task" && git -C "$work/task" checkout --quiet "$commit"
}

run() {
    if [ -n "$repository" ] && ! checkout; then
        echo "wq-runner: $(uname -n): $repository at $commit could not be checked out"
        return 97
    fi
    cd "$work/task" || return 97
    for path in $inputs; do
        ln -s "$(find_input "$path")" . || return 97
    done
    for path in "samples/$job.json" "samples/$job-options.json"; do
        cp "$(find_input "$path")" . || return 97
    done
    set -- /bin/sh -c "$start" wq-run "$job" "$result"
    [ -z "$image" ] || set -- apptainer exec --bind "$work" --bind "$home" "$image" "$@"
    exec "$@"
}

follow run
code=$?
if [ -n "$stage_out" ] && [ -f "$result/run.json" ]; then
    if (cd "$work/task" && /bin/sh -c "$deliver" wq-run "$result" "$stage_out/$job" "$export"); then
        rm -rf "$result/ledger" "$result/files" "$result/outputs" "$result"/output.*
    else
        code=98
    fi
fi
echo $code >"$result/exit_code"
if [ -d "$home/results" ]; then
    new=$home/results/.$job.$$
    cp -R "$result" "$new" && rm -rf "$home/results/$job" && mv "$new" "$home/results/$job" || code=99
else
    mv "$result" "$home/$job" || code=99
fi
exit $code
