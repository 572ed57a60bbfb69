#!/usr/bin/env bash
# Make sure that the tools, the engine and wq-runner are there; the second call only looks.
#
#   setup.sh       set up what is missing
#   setup.sh test  set up what the tests need besides: a browser, shells, and as batch
#   setup.sh batch set up what tests/batch needs, if this user may: Slurm, an XRootD server
#   setup.sh coffeas  set up what tests/coffeas needs, besides: environments with other coffeas, in .coffeas
#   setup.sh lock  write environments/lock.txt anew, with the newest versions of all that is installed
#   setup.sh bin   print the directory of the programs, and do nothing else
#
# In an active conda environment that has ndcctools nothing is built. Elsewhere: the Debian packages of
# Work Queue, a .venv, and in it wq-runner and bindings/, which is `ndcctools` for these packages.
set -euo pipefail
cd -P "$(dirname "$0")/.." # a clone is the same one, through whatever links

die() {
    printf 'error: ' >&2
    printf '%s\n' "$@" >&2
    exit 1
}

step() { # WHAT COMMAND...: say it, do it quietly, tell how long it took; show the output if it fails
    local what=$1 log
    shift
    log=$(mktemp)
    printf 'setup  %-46s' "$what"
    SECONDS=0
    if ! "$@" >"$log" 2>&1 </dev/null; then
        printf 'failed after %s s\n\n' "$SECONDS"
        cat "$log" >&2
        rm -f "$log"
        die "this failed: $*"
    fi
    rm -f "$log"
    printf '%3s s\n' "$SECONDS"
}

has() { # PYTHON MODULE...: whether it imports them, from elsewhere than this directory
    local python=$1 IFS=,
    shift
    (cd / && "$python" -c "import $*" 2>/dev/null)
}

in_conda() { [[ -x ${CONDA_PREFIX:-}/bin/python ]] && has "$CONDA_PREFIX/bin/python" ndcctools.work_queue; }

setup_conda() {
    local python=$CONDA_PREFIX/bin/python
    if ! has "$python" wq_runner pytest mypy xdist cryptography furo pytest_cov build hatch_vcs; then
        step "wq-runner into $(basename "$CONDA_PREFIX")" "$python" -m pip install --quiet --editable . --group dev
    fi
}

base() { "$1" -c 'import os, sys; print(os.path.realpath(sys._base_executable))' 2>/dev/null; }

find_python() { # also out of a venv, ours is no base for itself
    local candidate
    for candidate in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11 python3.10; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            base "$candidate"
            return
        fi
    done
    die "no Python 3.10 or newer: looked for ${PYTHON:-python3} and python3.10 to python3.14 on PATH." \
        "Install one, or name it: make setup PYTHON=/path/to/python3"
}

has_browser() { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null

missing_packages() { # the Debian packages that are needed, by what they bring
    local version include
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    include=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
    { command -v work_queue_worker && command -v work_queue_factory && command -v work_queue_graph_log; } \
        >/dev/null || echo coop-computing-tools
    [[ -e /usr/include/cctools/work_queue.h ]] || echo coop-computing-tools-dev
    command -v gnuplot >/dev/null || echo gnuplot-nox
    command -v gcc >/dev/null || echo gcc
    [[ -e /usr/include/stdlib.h ]] || echo libc6-dev
    [[ -e /usr/include/zlib.h ]] || echo zlib1g-dev
    [[ -e $include/Python.h ]] || echo "python$version-dev"
    has "$python" venv ensurepip || echo "python$version-venv"
    [[ $ring != test ]] || has_browser || printf "%s\n" chromium fonts-dejavu-core
    [[ $ring != test ]] || for_completion
    if [[ $ring ]] && may_install; then missing_for_batch; fi
}

for_completion() {
    local shell
    for shell in zsh fish; do command -v $shell >/dev/null || echo $shell; done
}

missing_for_batch() {
    [[ -x /usr/sbin/slurmctld && -x /usr/sbin/munged ]] || printf "%s\n" slurm-wlm munge
    [[ -x /usr/bin/xrootd ]] || echo xrootd-server
}

may_install() { [[ $(id -u) == 0 || ${CI:-} ]] || sudo -n true 2>/dev/null; }

install_packages() {
    local apt=(apt-get -qq --no-install-recommends -o DPkg::Lock::Timeout=300) root=()
    command -v apt-get >/dev/null || die "missing: $*" \
        "This system has no apt-get. With conda: micromamba create -f environments/manager.yml" \
        "then activate it and run make setup again."
    if [[ $(id -u) != 0 ]]; then
        root=(sudo -n)
        sudo -n true 2>/dev/null || die "Debian packages are missing, and this user may not install them. Run" \
            "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $*" \
            "and then make setup again. (Or use conda: environments/manager.yml.)"
    fi
    root+=(env DEBIAN_FRONTEND=noninteractive)
    step "list of Debian packages" "${root[@]}" "${apt[@]}" update
    step "$*" "${root[@]}" "${apt[@]}" install -y "$@"
}

key() { # changes when something that was installed from changes; raise the number to set up everybody anew
    echo 1 "$PWD" "$python"
    "$python" --version
    dpkg-query --show coop-computing-tools-dev 2>/dev/null || true
    find pyproject.toml environments/setup.sh environments/lock.txt bindings -type f -not -path '*/__pycache__/*' \
        -not -path '*/build/*' -not -path '*.egg-info/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
}

newest= # whether the lock could not be kept

locked() { # ARGUMENTS: install with the versions of the lock, or with the newest where the index has not all of them
    if [[ ${LOCKED:-yes} != no ]]; then
        "${pip[@]}" --constraint environments/lock.txt "$@" && return
        newest=yes
    fi
    "${pip[@]}" "$@"
}

make_lock() { # with uv, which knows the versions for other Pythons than this one
    local python place
    python=$(find_python)
    place=$(mktemp -d)
    step "uv" "$python" -m venv "$place"
    step "its package" "$place/bin/python" -m pip install --quiet uv
    step "environments/lock.txt" "$place/bin/uv" pip compile pyproject.toml --group dev --universal \
        --python-version 3.10 --upgrade --no-header --no-annotate --no-emit-index-url --quiet \
        --output-file "$place/lock.txt"
    { sed '/^#/!d' environments/lock.txt && cat "$place/lock.txt"; } >"$place/whole.txt"
    cp "$place/whole.txt" environments/lock.txt
    rm -rf "$place"
}

setup_venv() {
    local python packages pip stamp=.venv/.setup
    python=$(find_python)
    mapfile -t packages < <(missing_packages)
    ((${#packages[@]})) && install_packages "${packages[@]}"
    if [[ $ring ]] && ! may_install && [[ $(missing_for_batch) ]]; then
        echo "note: tests of Slurm and XRootD are skipped, as this user may not install" $(missing_for_batch)
    fi
    [[ -e $stamp && $(key | sha256sum) == "$(<"$stamp")" ]] && return
    [[ $(base .venv/bin/python) == "$python" ]] && has "$PWD/.venv/bin/python" pip ||
        step ".venv of $("$python" --version)" "$python" -m venv --clear .venv
    pip=(.venv/bin/python -m pip install --quiet)
    step "pip" "${pip[@]}" --upgrade pip
    step "wq-runner and the tools to develop it" locked --editable . --group dev
    if [[ $newest ]]; then
        echo "note: the package index lacks versions of environments/lock.txt: the newest were installed instead"
    fi
    # or each start compiles it anew where PYTHONDONTWRITEBYTECODE is set
    step "its bytecode" .venv/bin/python -m compileall -q wq_runner
    step "bindings to the engine" "${pip[@]}" ./bindings
    key | sha256sum >"$stamp"
}

readonly COFFEAS=(0.7.29 2025.7.3 2025.12.0)

make_coffea() { # DIRECTORY PYTHON PACKAGE...: an environment as pip makes it, and then what we add, as pip does
    local place=$1 in=$1/bin/python python=$2
    shift 2
    "$python" -m venv --clear "$place" && "$in" -m pip install --quiet "$@" &&
        "$in" -m pip freeze >"$place/before" &&
        "$in" -m pip install --quiet --editable '.[dask,parsl]' &&
        "$in" -m pip freeze --exclude-editable >"$place/after" &&
        "$in" -m pip install --quiet ./bindings
}

setup_coffeas() { # what this Python or the package index has not is left out, and its tests are skipped, but in CI
    local version python
    python=$(find_python)
    for version in "${COFFEAS[@]}"; do
        setup_coffea "$version" "environment with coffea $version" "coffea==$version" 'setuptools<81'
    done
    # what it needs besides, and does not say
    setup_coffea pocketcoffea "environment with PocketCoffea" 'pocket_coffea==0.9.13' 'pyarrow<22' 'setuptools<71'
}

setup_coffea() { # NAME WHAT PACKAGE...
    local place=.coffeas/$1 what=$2
    shift 2
    [[ -e $place/.setup && $(key | sha256sum) == "$(<"$place/.setup")" ]] && return
    if (step "$what" make_coffea "$place" "$python" "$@"); then
        key | sha256sum >"$place/.setup"
    elif [[ ${CI:-} ]]; then
        exit 1
    else
        echo "note: there is no $what: its tests are skipped"
        rm -rf "$place"
    fi
}

ring=
case ${1:-} in
bin) in_conda && echo "$CONDA_PREFIX/bin" || echo "$PWD/.venv/bin" ;;
"" | test | batch)
    ring=${1:-}
    exec 9<environments/setup.sh && flock 9 # one at a time
    if in_conda; then setup_conda; else setup_venv; fi
    ;;
lock) make_lock ;;
coffeas)
    exec 9<environments/setup.sh && flock 9
    setup_coffeas
    ;;
*) die "unknown argument $1" ;;
esac
