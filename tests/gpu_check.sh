#!/bin/bash
# gpu_check.sh SOURCE_ROOT: what scripts/gpu-check says and returns, with pretended tools: a build, tests and benchmarks that
# succeed, fail, hang, print what is no number; a GPU or none; a bundle or none.
# shellcheck disable=SC2016 # dollars are for the programs that are written
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tree" "$work/bundle/bin" "$work/cuda/bin" "$work/cuda/include" && cp -r "$1/scripts" "$work/tree/" || exit 1
cd "$work/tree" || exit 1
echo 13.0 >"$work/bundle/cuda-release"
echo 2.2.5 >"$work/bundle/glibc-release"
touch "$work/cuda/include/cuda_runtime.h"
program() { cat >"$1" && chmod +x "$1"; }
program "$work/cuda/bin/nvcc" <<<'#!/bin/sh
echo "Cuda compilation tools, release ${FAKE_RELEASE:-13.0}, V13"'
program "$work/bundle/bin/nvidia-smi" <<<'#!/bin/sh
[ -z "${FAKE_NO_GPU:-}" ] || exit 9
case $* in *name*) echo "Pretended, 100000 MiB, 1";; *) echo "${FAKE_MEMORY:-100000}";; esac'
program "$work/bundle/bin/pkg-config" <<<'#!/bin/sh'
program "$work/bundle/bin/ninja" <<<'#!/bin/sh
[ "$1" = --version ] || [ "${FAKE_FAIL:-}" != build ] || { echo "cannot compile"; exit 1; }'
program "$work/bundle/bin/meson" <<'END'
#!/bin/bash
case $1 in
    --version) echo 1.0.1 ;;
    setup)
        mkdir -p build-gpu/build/tests build-gpu/build/benchmarks build-gpu/build/meson-logs
        cp "$FAKE/first" build-gpu/build/tests/test_runtime
        cp "$FAKE/bench" build-gpu/build/benchmarks/gpu-bench
        cp "$FAKE/bench" build-gpu/build/benchmarks/darray-bench
        mkdir -p build-gpu/build/tools && cp "$FAKE/darray" build-gpu/build/tools ;;
    test)
        [ -z "${DARRAY_TILE:-}" ] || exit 1
        [[ $* == *--wrapper* || $* == *'--no-suite elsewhere'* ]] || exit 1
        [ -f build-gpu/build/tests/starpu-home/.starpu/sampling/bus ] || exit 1
        log=testlog.json result=OK skip=OK
        [[ $* != *--wrapper* ]] || log=testlog-all-cores.json
        [ "${FAKE_FAIL:-}" != "$log" ] || result=FAIL
        [ "${FAKE_FAIL:-}" != skipped ] || skip=SKIP
        { echo "{\"name\": \"lu (openmp)\", \"result\": \"$result\"}"
          echo "{\"name\": \"lu (starpu, cuda)\", \"result\": \"$skip\"}"; } >"build-gpu/build/meson-logs/$log"
        [ $result = OK ] ;;
esac
END
program "$work/first" <<<'#!/bin/sh
mkdir -p "$STARPU_HOME/.starpu/sampling" && touch "$STARPU_HOME/.starpu/sampling/bus"'
program "$work/darray" <<<'#!/bin/sh
[ "${FAKE_FAIL:-}" != calibrate ] && touch "$STARPU_HOME/calibrated"'
program "$work/bench" <<'END'
#!/bin/bash
ratio=1.5 low=1.2 residual=0.5
case $1 in both_* | small_*) [ -f "$STARPU_HOME/calibrated" ] || ratio=0.5 ;; esac
if [ "$1" = "${FAKE_CASE:-}" ]; then
    case $FAKE_FAIL in
        slow) ratio=0.5 ;;
        unsteady) low=0.8 ;;
        wrong) residual=50 ;;
        null) ratio=null low=null ;;
        skip) exit 0 ;;
        hang) trap '' TERM; for _ in {1..60}; do sleep 1; done ;;
        bench) echo '{"case": "'"$1"; exit 1 ;;
    esac
fi
echo "{\"case\": \"$1\", \"n\": 8192, \"runtime\": \"starpu\", \"rate\": 1, \"unit\": \"GFLOP/s\", \"reference\": \"it\", \"ratio\": $ratio," \
    "\"ratio_low\": $low, \"residual\": $residual, \"residual_bound\": 30}"
[ $residual = 0.5 ]
END
export FAKE="$work" CUDA_DIR="$work/cuda"

# expect STATUS TEXT [VARIABLE=VALUE...]: of gpu-check, whose report is JSON if it came so far
expect() {
    local status=$1 text=$2 got
    shift 2
    rm -rf gpu-check build-gpu/build build-gpu/starpu-home
    env PATH="$work/bundle/bin:$PATH" DARRAY_TILE=7 "$@" scripts/gpu-check "${bundle:-$work/bundle}" >log 2>&1
    got=$?
    if [ $got -ne "$status" ] || ! grep -qF -- "$text" log; then
        echo "$*: exit status $got instead of $status, or no \"$text\" in:"
        cat log
        exit 1
    fi
    [ ! -f gpu-check/report.json ] || python3 -m json.tool gpu-check/report.json >/dev/null || exit 1
}

# with three sizes of four cases, two of the bandwidth, two of small ones and four against darray itself
expect 0 'targets: 20 met, 0 missed, 0 not measured'
expect 0 'n = 65536 does not fit' DARRAY_GPU_SIZES='8192 65536'
expect 2 'gpu-bench matmul: NOT MEASURED' DARRAY_GPU_SIZES=65536
expect 0 'targets: 12 met, 0 missed, 0 not measured' DARRAY_GPU_SIZES=65536 FAKE_MEMORY='[N/A]'
expect 2 'gpu-bench nvblas_solve --size 8192 --repeat 3: NOT MEASURED' FAKE_FAIL=skip FAKE_CASE=nvblas_solve
expect 2 'darray-bench sum --runtime openmp --repeat 3: NOT MEASURED' FAKE_FAIL=skip FAKE_CASE=sum
expect 2 '0.95 MISSED' FAKE_FAIL=slow FAKE_CASE=both_matmul
expect 2 '0.95 MISSED' FAKE_FAIL=unsteady FAKE_CASE=both_matmul
expect 2 '19 met, 1 missed' FAKE_FAIL=null FAKE_CASE=large_cholesky
expect 2 '16 met, 4 missed' FAKE_FAIL=calibrate
expect 2 'darray calibrate: NOT MEASURED' FAKE_FAIL=calibrate
expect 1 'WRONG RESULT' FAKE_FAIL=wrong FAKE_CASE=expr
expect 2 'gpu-bench sum: NOT MEASURED' FAKE_FAIL=bench FAKE_CASE=sum
expect 2 'darray-bench lu --size 8192 --runtime starpu --repeat 3: NOT MEASURED' FAKE_FAIL=bench FAKE_CASE=lu
expect 2 'all that needs a GPU: NOT MEASURED' FAKE_NO_GPU=yes
expect 1 'tests: 1 passed, 1 failed' FAKE_FAIL=testlog.json
expect 1 'on all cores: 1 passed, 1 failed' FAKE_FAIL=testlog-all-cores.json
expect 1 'skipped although there is one' FAKE_FAIL=skipped
expect 2 'all that needs a GPU: NOT MEASURED' FAKE_FAIL=skipped FAKE_NO_GPU=yes
expect 1 'cannot compile' FAKE_FAIL=build
expect 1 'the bundle is for CUDA 13.0' FAKE_RELEASE=12.4
expect 1 "DARRAY_GPU_SIZES is 'big'" DARRAY_GPU_SIZES=big
bundle=$work/none expect 1 "no $work/none; scripts/gpu-bundle makes one"
bundle=$work/cuda expect 1 'it has no cuda-release'
cp -r "$work/bundle" "$work/newer" && echo 2.999 >"$work/newer/glibc-release"
bundle=$work/newer expect 1 'needs glibc 2.999, this machine has glibc 2.'
# what is named from another folder
tar -C "$work" -cf "$work/packed.tar" bundle
(cd "$work" && env PATH="$work/bundle/bin:$PATH" tree/scripts/gpu-check packed.tar there >log 2>&1) || { cat "$work/log"; exit 1; }
[ -f "$work/there/report.json" ] || { echo "the report went elsewhere"; exit 1; }
expect 1 "DARRAY_GPU_SECONDS is '1m'" DARRAY_GPU_SECONDS=1m
mkdir "$work/bare" && ln -sf /bin/* /usr/bin/* "$work/bare" && rm -f "$work"/bare/python3*
expect 1 'no python3' PATH="$work/bundle/bin:$work/bare"
begin=$SECONDS
expect 2 'no time left for: build-gpu/build/benchmarks/gpu-bench sum' DARRAY_GPU_SECONDS=10 FAKE_FAIL=hang FAKE_CASE=cholesky
[ $((SECONDS - begin)) -lt 30 ] || { echo "it took $((SECONDS - begin)) s instead of 10"; exit 1; }
grep -q 'cut off after [0-9]* s: build-gpu/build/benchmarks/gpu-bench cholesky' log || { echo "a cut was not said"; cat log; exit 1; }
echo "all of gpu-check's ways were gone"
