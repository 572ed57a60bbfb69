# Stands for `python` on a worker. Needs nothing but /bin/sh, tar and gzip: a worker may have no Python.
#
# Unpacks the base and the overlay where later runs and later managers find them, once, then runs Python in an
# environment that knows nothing of the host's. Exit code 97: not the task's fault, this worker is broken.

PATH=${PATH:+$PATH:}/usr/bin:/bin:/usr/local/bin
export PATH
locked=''
here=$PWD
# the engine empties a worker's workspace between managers, so what is to stay lies beside it
workspace=${WORK_QUEUE_SANDBOX:-$(dirname "$here")}

die() {
    echo "wq-runner: $(uname -n): $*"
    exit 97
}

# Prints where things are unpacked. Somebody else's directory in a common /tmp is not for us.
find_place() {
    for place in "${WQ_WORKER_CACHE:-$cache}" "$(dirname "$workspace")/wq-runner-$(id -u)" "$workspace/wq-runner"; do
        [ -n "$place" ] || continue
        (umask 077 && mkdir -p "$place") 2>/dev/null
        if [ -d "$place" ] && [ -O "$place" ] && [ -w "$place" ]; then
            echo "$place"
            return
        fi
    done
    die "no directory to unpack in: $(dirname "$workspace") and $workspace are not writable"
}

# with_lock NAME COMMAND...: one at a time on this host, as far as it has flock
with_lock() {
    lock=$1.lock
    shift
    if command -v flock >/dev/null; then
        (
            flock 9 2>/dev/null && locked=yes
            "$@"
        ) 9>"$lock"
        return
    fi
    until mkdir "$lock.d" 2>/dev/null; do
        owner=$(cat "$lock.d/owner" 2>/dev/null)
        [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null && rm -rf "$lock.d"
        sleep 0.2 2>/dev/null || sleep 1
    done
    echo $$ >"$lock.d/owner"
    ("$@")
    code=$?
    rm -rf "$lock.d"
    return $code
}

count() { # files below a directory, apart from what Python itself writes there
    find "$1/" -name __pycache__ -prune -o -print | wc -l
}

sums() { # a line for each file below a directory: its checksum, its size, its name
    (cd "$1/" && find . -type f ! -name .ready ! -name '.sums*' -exec cksum {} +) 2>/dev/null | LC_ALL=C sort
}

can_sum() {
    command -v cksum >/dev/null && command -v comm >/dev/null && command -v sort >/dev/null
}

# Are the files as they were unpacked? A flipped bit changes neither size nor time, so all are read. What Python
# compiled itself may differ: it is compiled again, or known from now on.
unchanged() {
    can_sum || return 0
    [ -f "$1/.sums" ] || return 1
    now=$1/.sums.$$
    sums "$1" >"$now"
    other=$(LC_ALL=C comm -23 "$1/.sums" "$now")
    if printf '%s\n' "$other" | grep -v /__pycache__/ | grep -q .; then
        rm -f "$now"
        return 1
    fi
    printf '%s\n' "$other" | sed -n 's/^[0-9]* [0-9]* //p' | while IFS= read -r name; do rm -f "$1/$name"; done
    {
        LC_ALL=C comm -12 "$1/.sums" "$now"
        [ -n "$other" ] || LC_ALL=C comm -13 "$1/.sums" "$now" | grep /__pycache__/
    } | LC_ALL=C sort >"$now.new"
    mv "$now.new" "$1/.sums"
    rm -f "$now"
}

complete() { # is it unpacked, with all its files? Cleaners of /tmp take single ones.
    [ -f "$1/.ready" ] && [ "$(count "$1")" -ge "$(cat "$1/.ready")" ] 2>/dev/null
}

whole() { # and are they as they were?
    complete "$1" && unchanged "$1"
}

arrived() { # ARCHIVE SUM: is it what was sent?
    [ -n "$2" ] && command -v cksum >/dev/null || return 0
    found=$(cksum <"$here/$1" | sed 's/^\([0-9]* [0-9]*\).*/\1/')
    [ "$found" = "$2" ] || die "$1 is damaged: its checksum and size are $found instead of $2"
}

extract() { # ARCHIVE DIRECTORY
    case $1 in
    *.tar) tar -xof "$1" -C "$2" ;;
    *.zst) zstd -dc "$1" | tar -xof - -C "$2" ;;
    *.bz2) bzip2 -dc "$1" | tar -xof - -C "$2" ;;
    *.xz) xz -dc "$1" | tar -xof - -C "$2" ;;
    *) tar -xzof "$1" -C "$2" ;;
    esac
}

# unpack ARCHIVE KEY SUM: into a new directory, which gets the key as its name when all is there
unpack() {
    target=$place/$2
    if [ -f "$checked" ] && [ -f "$target/.ready" ]; then
        return 0 # another task of this worker was first
    fi
    if [ -n "$(find "$target/.ready" -newer "$asked" 2>/dev/null)" ] && complete "$target"; then
        return 0 # another worker unpacked it while we waited
    fi
    if whole "$target"; then
        return 0
    fi
    arrived "$1" "$3"
    if [ -n "$locked" ]; then
        rm -rf "$target" "$target".??????
    else
        rm -f "$target"
    fi
    new=$(mktemp -d "$target.XXXXXX") || die "cannot write to $place"
    if ! said=$(extract "$here/$1" "$new" 2>&1); then
        rm -rf "$new"
        die "$2 cannot be unpacked in $place: $(printf '%s\n' "$said" | head -n 2 | tr '\n' ' ')"
    fi
    if [ -f "$new/bin/conda-unpack" ]; then
        PATH=$new/bin:$PATH "$new/bin/python" "$new/bin/conda-unpack" || die "conda-unpack of $2 failed"
    fi
    can_sum && sums "$new" >"$new/.sums"
    echo $(($(count "$new") + 1)) >"$new/.ready"
    chmod 755 "$new"
    ln -s "${new##*/}" "$target"
}

# have ARCHIVE KEY SUM: make sure it is unpacked, and as it was; looked at once per worker
have() {
    checked=$workspace/.wq-runner-$2
    if [ -f "$place/$2/.ready" ] && [ -f "$checked" ]; then
        return 0
    fi
    asked=$checked.asked.$$
    : >"$asked"
    if ! whole "$place/$2"; then
        with_lock "$place/$2" unpack "$1" "$2" "$3" || exit 97
    fi
    : >"$checked"
    rm -f "$asked"
}

forget_host() { # what would leak into Python from the host
    for name in $(env | sed -n 's/^\(PYTHON[A-Z0-9_]*\|CONDA_[A-Z0-9_]*\)=.*/\1/p'); do
        unset "$name"
    done
    unset LD_LIBRARY_PATH VIRTUAL_ENV
    PYTHONNOUSERSITE=1
    export PYTHONNOUSERSITE
}

enter() { # DIRECTORY: as `conda activate`
    CONDA_PREFIX=$1
    PATH=$1/bin:$PATH
    export CONDA_PREFIX PATH
    for script in "$1"/etc/conda/activate.d/*.sh; do
        # some are for bash only; those are passed over
        # shellcheck disable=SC1090
        [ -f "$script" ] && (. "$script") >/dev/null 2>&1 && . "$script" >/dev/null
    done
}

# The commands of the user, once per worker. What failed once fails again at once, with its output.
# What they export is kept, for each task to read.
set_up() {
    [ -f "$set_up" ] && return
    if [ ! -f "$set_up.failed" ]; then
        (cd "$workspace" && export -p >"$set_up.before" && setup_commands && export -p >"$set_up.after") \
            >"$set_up.log" 2>&1
        code=$?
        if [ $code = 0 ]; then
            exported >"$set_up.new"
            mv "$set_up.new" "$set_up"
            if [ -f "$place/$base/.sums" ]; then # what they put into the environment is as meant
                sums "$place/$base" >"$place/$base/.sums.$$" && mv "$place/$base/.sums.$$" "$place/$base/.sums"
            fi
            return
        fi
        echo "a setup command failed (exit code $code): $(tail -n 5 "$set_up.log" | tr '\n' ' ')" >"$set_up.failed"
    fi
    die "$(cat "$set_up.failed")"
}

exported() { # what is exported now and was not before, but for where the commands stood
    grep -vxF -f "$set_up.before" "$set_up.after" | grep -v '^export \(PWD\|OLDPWD\|SHLVL\|_\)\($\|=\)'
}

link() { # NAME SOURCE: a file of --extra-file, where the task looks for it
    [ -e "$here/$1" ] && return
    case $1 in */*) mkdir -p "$here/${1%/*}" ;; esac
    ln -s "$2" "$here/$1" 2>/dev/null
}

link_files() { # DIRECTORY: everything in it
    for source in "$1"/* "$1"/.[!.]*; do
        [ -e "$source" ] && link "${source##*/}" "$source"
    done
}

case $kind in
packed)
    forget_host
    place=$(find_place) || { echo "$place"; exit 97; }
    have "$base_archive" "$base" "$base_sum"
    enter "$place/$base"
    python=$place/$base/bin/python
    [ -x "$python" ] || die "$python cannot be run$hint"
    ;;
none)
    place=$(find_place) || { echo "$place"; exit 97; }
    command -v "$python" >/dev/null || die "there is no $python on this worker (PATH=$PATH)"
    ;;
esac
if [ -n "$overlay" ]; then
    have overlay.tar.gz "$overlay" "$overlay_sum"
    code=$place/$overlay
    PYTHONPATH=$code/analysis:$code/site:$code/files${PYTHONPATH:+:$PYTHONPATH}
    PATH=$code/bin:$PATH
    export PYTHONPATH PATH
    link_files "$place/$overlay/files"
fi
link_shared
set_up=$workspace/.wq-runner-setup-$setup_key
if [ -n "$setup_key" ]; then
    [ -f "$set_up" ] || with_lock "$set_up" set_up || exit 97
    # shellcheck disable=SC1090
    . "$set_up"
fi
exec "$python" "$@"
