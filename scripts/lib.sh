# shellcheck shell=bash
# Shared by the scripts of this folder: finding and installing what is missing, configuring, building.
# Source it from the repository's root.

say() { printf '== %s\n' "$*" >&2; }
die() { printf '%s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# usage "$@": the comment that the script begins with, where an argument asks for it; other options are none. In the repository's root.
usage() {
    local argument script=scripts/${0##*/}
    for argument; do
        case $argument in
        -h | --help)
            sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$script"
            exit 0
            ;;
        -*) die "${0##*/}: there is no option \"$argument\"; --help says what there is" ;;
        esac
    done
}

# path_from DIR PATH: PATH as it is meant in DIR, the script's caller's
path_from() {
    case $2 in
    /*) echo "$2" ;;
    *) echo "$1/$2" ;;
    esac
}

jobs_wanted() { echo "${DARRAY_JOBS:-$(nproc)}"; }

# The first argument that is a meson of version 1 or later. PATH may hold one of another Python that does not work.
find_meson() {
    local candidate version
    for candidate in "${MESON:-}" meson /usr/bin/meson; do
        [ -n "$candidate" ] || continue
        version=$("$candidate" --version 2>/dev/null) || continue
        case $version in
            [1-9]*) command -v "$candidate"; return 0 ;;
        esac
    done
    return 1
}

find_ninja() {
    local candidate
    for candidate in "${NINJA:-}" ninja /usr/bin/ninja ninja-build samu; do
        [ -n "$candidate" ] && "$candidate" --version >/dev/null 2>&1 && { command -v "$candidate"; return 0; }
    done
    return 1
}

# A python3 that has NumPy: the system's own before one that happens to be first in PATH.
find_python() {
    local candidate
    for candidate in /usr/bin/python3 python3; do
        have "$candidate" && "$candidate" -c "${1:-}" 2>/dev/null && { command -v "$candidate"; return 0; }
    done
    return 1
}

# The CUDA toolkit's directory: CUDA_DIR's, that of nvcc, or the usual one. Debian's own nvcc is in /usr.
find_cuda() {
    local nvcc candidate
    nvcc=$(command -v nvcc) && nvcc=$(readlink -f "$nvcc")
    for candidate in "${CUDA_DIR:-}" "${nvcc:+$(dirname "$(dirname "${nvcc:-/}")")}" /usr/local/cuda /usr; do
        [ -n "$candidate" ] && [ -f "$candidate/include/cuda_runtime.h" ] && { (cd "$candidate" && pwd); return 0; }
    done
    return 1
}

compiles() { # language flags...: the program on standard input
    local language=$1
    shift
    "${CC:-cc}" -x "$language" - -o /dev/null "$@" >/dev/null 2>&1
}

probe() {
    case $1 in
        compiler) echo 'int main(void) { return 0; }' | compiles c ;;
        c++) echo '#include <complex>
int main() { return 0; }' | CC=${CXX:-c++} compiles c++ ;;
        openmp) printf '#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n' | compiles c -fopenmp ;;
        meson) find_meson >/dev/null ;;
        ninja) find_ninja >/dev/null ;;
        pkg-config) have pkg-config ;;
        hwloc | openblas | check) have pkg-config && pkg-config --exists "$1" ;;
        lapacke) # a library of its own, or a part of OpenBLAS
            # shellcheck disable=SC2046 # flags
            have pkg-config && { pkg-config --exists lapacke ||
                printf '#include <lapacke.h>\nint main(void) { return LAPACKE_dpotrf(101, 76, 0, 0, 1); }\n' |
                compiles c $(pkg-config --cflags --libs openblas); } ;;
        starpu) have pkg-config && pkg-config --exists starpu-1.3 ;;
        opencl) # headers and loader
            printf '#define CL_TARGET_OPENCL_VERSION 120\n#include <CL/cl.h>\nint main(void) { return clGetPlatformIDs(0, 0, 0) == 1; }\n' |
                compiles c -lOpenCL && have pkg-config && pkg-config --exists OpenCL ;;
        clblast) have pkg-config && pkg-config --exists clblast ;;
        pocl) # any OpenCL device would do; PoCL is one everywhere
            compgen -G '/etc/OpenCL/vendors/*.icd' >/dev/null ;;
        locales) [ -f /usr/share/i18n/locales/de_DE ] && have localedef ;;
        python) find_python >/dev/null ;;
        numpy) find_python 'import numpy' >/dev/null ;;
        scipy) find_python 'import scipy.linalg' >/dev/null ;;
        clang) have clang-14 ;;
        clang-openmp) printf '#include <omp.h>\nint main(void) { return 0; }\n' | CC=clang-14 compiles c -fopenmp ;;
        clang-runtime) echo 'int main(void) { return 0; }' | CC=clang-14 compiles c -fsanitize=address ;;
        clang-format) have clang-format-14 ;;
        *) die "lib.sh: no probe for $1" ;;
    esac
}

# what the probe looks for:Debian:Fedora:Arch:Spack:Guix ("-": not packaged there). README.md has the same table.
packages='
compiler:gcc libc6-dev:gcc glibc-devel:gcc:gcc:gcc-toolchain
c++:g++:gcc-c++:gcc:gcc:gcc-toolchain
openmp:gcc libgomp1:gcc libgomp:gcc:gcc:gcc-toolchain
meson:meson:meson:meson:meson:meson
ninja:ninja-build:ninja-build:ninja:ninja:ninja
pkg-config:pkg-config:pkgconf-pkg-config:pkgconf:pkgconf:pkg-config
hwloc:libhwloc-dev:hwloc-devel:hwloc:hwloc:hwloc
openblas:libopenblas-dev:openblas-devel:blas-openblas:openblas:openblas
lapacke:liblapacke-dev:lapack-devel:blas-openblas:openblas:openblas
starpu:libstarpu-dev:-:starpu (AUR):starpu:starpu (guix-hpc channel)
opencl:ocl-icd-opencl-dev opencl-headers:ocl-icd-devel opencl-headers:ocl-icd opencl-headers:ocl-icd opencl-headers:ocl-icd opencl-headers
clblast:libclblast-dev:clblast-devel:clblast:clblast:-
pocl:pocl-opencl-icd:pocl:pocl:pocl:pocl
locales:locales:glibc-locale-source:glibc:-:glibc
check:check:check-devel:check:check:check
python:python3:python3:python:python:python
numpy:python3-numpy:python3-numpy:python-numpy:py-numpy:python-numpy
scipy:python3-scipy:python3-scipy:python-scipy:py-scipy:python-scipy
clang:clang-14:clang:clang:llvm:clang-toolchain@14
clang-openmp:libomp-14-dev:libomp-devel:openmp:llvm:clang-toolchain@14
clang-runtime:libclang-rt-14-dev:compiler-rt:compiler-rt:llvm:clang-toolchain@14
clang-format:clang-format-14:clang-tools-extra:clang:llvm:clang-toolchain@14
'
# shellcheck disable=SC2034 # for the scripts that source this file
{
    needs_build='compiler openmp meson ninja pkg-config hwloc openblas starpu'
    needs_tests='c++ lapacke check python numpy scipy locales opencl clblast pocl'
    needs_lint='clang-format'
    needs_clang='clang clang-openmp clang-runtime'
}

package_of() { # probe column
    awk -F: -v need="$1" -v column="$2" '$1 == need { print $column }' <<<"$packages"
}

missing_of() {
    local need
    for need in "$@"; do probe "$need" || printf '%s ' "$need"; done
}

explain_missing() {
    local need column=1 names name
    printf 'darray: missing: %s\n' "$*"
    for name in Debian Fedora Arch Spack Guix; do
        column=$((column + 1))
        names=
        for need in "$@"; do
            names+=" $(package_of "$need" $column)"
        done
        printf '  %-7s %s\n' "$name:" "$(tr ' ' '\n' <<<"$names" | grep -v '^-*$' | awk '!seen[$0]++' | paste -sd' ')"
    done
} >&2

apt() { # as root, quietly unless it fails
    local log status=0 as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo)
        [ -t 0 ] || as_root=(sudo -n)
    fi
    log=$(mktemp)
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" \
        </dev/null >"$log" 2>&1 || status=$?
    [ $status -eq 0 ] || tail -n 15 "$log" >&2
    rm -f "$log"
    return $status
}

# Those of the lines of standard input that name a file.
existing() {
    local file
    while read -r file; do [ -f "$file" ] && echo "$file"; done
}

# Makes sure of the named needs; installs Debian packages when it may. Without StarPU, SciPy and what OpenCL needs it goes on.
ensure_tools() {
    local missing need name wanted=() must=()
    missing=$(missing_of "$@")
    if [ -n "$missing" ] && have apt-get && { [ "$(id -u)" -eq 0 ] || have sudo; }; then
        for need in $missing; do
            read -ra names <<<"$(package_of "$need" 2)"
            wanted+=("${names[@]}")
        done
        say "installing: ${wanted[*]}"
        # the package lists may be missing or old: refresh them once, only if it does not work without
        apt install -y --no-install-recommends "${wanted[@]}" 2>/dev/null || {
            say "refreshing the package lists"
            apt update || true
            apt install -y --no-install-recommends "${wanted[@]}" ||
                # a release without one of them still gets the others
                for name in "${wanted[@]}"; do apt install -y --no-install-recommends "$name" 2>/dev/null; done
        }
        hash -r
        missing=$(missing_of "$@")
    fi
    for need in $missing; do
        case $need in
            starpu | opencl | clblast | pocl | locales | scipy) ;;
            *) must+=("$need") ;;
        esac
    done
    if [ ${#must[@]} -gt 0 ]; then
        # shellcheck disable=SC2086 # a list of words
        explain_missing $missing
        die "darray: install these and try again (this script does it itself where there is apt-get and root or sudo)"
    fi
    for need in $missing; do
        case $need in
            starpu) say "no StarPU: only the OpenMP runtime is built" ;;
            opencl) say "no OpenCL: its module is not built" ;;
            clblast) say "no CLBlast: OpenCL devices get no products and solves" ;;
            scipy) say "no SciPy: triangular solves are compared with NumPy's products only" ;;
            locales) say "no sources of locales: tests of decimal commas are weaker" ;;
            pocl) say "no OpenCL device: the tests that need one are skipped" ;;
        esac
    done
}

# The same, and finds meson and ninja.
ensure() {
    ensure_tools "$@"
    MESON=$(find_meson) NINJA=$(find_ninja)
    export MESON NINJA
}

# configure DIR [meson options]: a fresh directory or one that meson knows; one it cannot use any more is made anew.
configure() {
    local dir=$1
    shift
    if [ -d "$dir/meson-private" ]; then
        "$MESON" setup --reconfigure "$dir" "$@" && return 0
        say "$dir cannot be reconfigured: starting it afresh"
        rm -rf "$dir"
    fi
    "$MESON" setup "$dir" "$@"
}

release_options=(-Dbuildtype=release -Dexamples=enabled -Dbenchmarks=enabled -Dtests=enabled -Dwerror=false)
if [ -n "${DARRAY_MESON_OPTIONS:-}" ]; then
    read -ra more_options <<<"$DARRAY_MESON_OPTIONS"
    release_options+=("${more_options[@]}")
fi

# build DIR [targets]
build() {
    local dir=$1
    shift
    "$NINJA" -C "$dir" -j "$(jobs_wanted)" "$@"
}

# expand_tests DIR ARGUMENT...: the array `expanded` has the arguments, and for "csv" all runs of it: "csv (openmp)", ...
expand_tests() {
    local dir=$1 word test found names
    shift
    expanded=()
    [ $# -gt 0 ] || return 0
    mapfile -t names < <("$MESON" test -C "$dir" --list 2>/dev/null | sed 's|.* / ||')
    for word in "$@"; do
        found=
        if [[ $word != -* ]]; then
            for test in "${names[@]}"; do
                [[ $test == "$word "* ]] && expanded+=("$test") && found=yes
            done
        fi
        [ -n "$found" ] || expanded+=("$word")
    done
}

# run_tests DIR [meson test options]: runs them all, shows the logs of those that fail, ends with "N passed, N failed".
run_tests() {
    local dir=$1 status=0 variable jobs
    jobs=$(jobs_wanted)
    shift
    # a tile size or a scheduler from the caller's environment would change what is tested
    for variable in $(compgen -e | grep -E '^(DARRAY|STARPU)_'); do unset "$variable"; done
    rm -f "$dir/meson-logs/testlog.json"
    expand_tests "$dir" "$@" || return 1
    set -- "${expanded[@]}"
    "$MESON" test -C "$dir" --no-rebuild --num-processes "$jobs" "$@" || status=$?
    "$(find_python)" scripts/count_tests.py "$dir/meson-logs/testlog.json" "$status"
}
