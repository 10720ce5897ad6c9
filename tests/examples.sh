#!/bin/bash
# examples.sh BUILD_ROOT SOURCE_ROOT [RUNTIME...]: every example runs and finds its own results right, on each runtime;
# least_squares on the reference sets for every tiling, on files of its own, and on bad input.
set -u
build=$1 source=$2
shift 2
runtimes=${*:-openmp}
folder=$build/examples
[ -x "$folder/least_squares" ] || { echo "no examples were built"; exit 77; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0 ran=0

fail() {
    echo "FAILED: $*"
    failed=$((failed + 1))
}

# run NAME=VALUE... PROGRAM ARGUMENT...: exit status 0
run() {
    ran=$((ran + 1))
    env "$@" >out 2>&1 || { fail "$* (status $?)"; tail -n 20 out; }
}

# bad STATUS TEXT PROGRAM ARGUMENT...: that exit status, and the text on stderr alone
bad() {
    local status=$1 text=$2 got
    shift 2
    ran=$((ran + 1))
    "$@" >out 2>err
    got=$?
    [ $got = "$status" ] || fail "$*: status $got instead of $status"
    grep -qF -- "$text" err || { fail "$*: no \"$text\" on stderr"; cat err; }
    grep -q ' = ' out && fail "$*: printed coefficients"
}

# expect PATTERN WHAT: a line of the last output matches
expect() {
    grep -qE -- "$1" out || { fail "$2: no line like $1"; cat out; }
}

# scripts/demo builds the modules for devices, too
ran=$((ran + 1))
programs=$(grep '^build programs:' "$build/build.ninja")
while read -r module; do
    [[ "$programs " == *" $module "* ]] || fail "the target programs leaves $module out"
done < <(sed -n 's/^build \(codelets\/[^ :]*\.so\):.*/\1/p' "$build/build.ninja")

for runtime in $runtimes; do
    for example in quickstart cholesky_tasks spmd_reduce; do
        run DARRAY_RUNTIME="$runtime" "$folder/$example"
        expect "runtime $runtime" "$example"
    done
    run DARRAY_RUNTIME="$runtime" "$folder/distribution_analysis" table.csv
    expect 'all checks passed' distribution_analysis
    [ "$(grep -c , table.csv)" = 25 ] || fail "table.csv does not have 25 lines"
    for tile in '' 4 7 64; do
        run DARRAY_RUNTIME="$runtime" DARRAY_TILE="$tile" "$folder/least_squares"
        expect 'all digits wanted are right' "least_squares with tiles of '$tile'"
        [ "$(grep -cE '^b[0-9]+ = -?[0-9.]+(e[-+][0-9]+)?  se = [0-9.]+(e[-+][0-9]+)?$' out)" = 24 ] ||
            fail "least_squares did not print 7 + 6 + 11 coefficients"
        [ "$(grep -c '^residual standard deviation = ' out)" = 3 ] || fail "no residual standard deviation"
        grep -E '^fewest' out | sed "s/^/$runtime, tile '$tile': /"
    done
    run DARRAY_RUNTIME="$runtime" DARRAY_TILE=16 DARRAY_INLINE=0 "$folder/spmd_reduce"
done

# files: a straight line without error, with and without a header, LF and CRLF; powers; no intercept
ls=$folder/least_squares
printf 'y,x\n1,0\n3,1\n5,2\n7,3\n' >line.csv
run "$ls" line.csv
expect '^b0 = 0?(1|0\.99999999999999|1\.0000000000000)' 'a line'
expect '^b1 = (2|1\.99999999999999|2\.0000000000000)' 'a line'
printf '1,0\r\n3,1\r\n5,2\r\n7,3\r\n' >crlf.csv
run "$ls" crlf.csv
expect '^b1 = (2|1\.99999999999999|2\.0000000000000)' 'CRLF'
printf '2,1\n4,2\n6,3\n' >through.csv
run "$ls" --no-intercept through.csv
expect '^b1 = (2|1\.99999999999999|2\.0000000000000)' 'no intercept'
grep -q '^b0' out && fail '--no-intercept printed b0'
run "$ls" --poly 5 "$source/examples/data/wampler1.csv"
expect '^b5 = (1|1\.0000000000|0\.9999999999)' '--poly 5'
run "$ls" --no-intercept --poly 2 through.csv
expect '^b2 = ' '--poly without intercept'
printf '1\n2\n6\n' >mean.csv
run "$ls" mean.csv
expect '^b0 = (3|3\.0000000000000|2\.99999999999999)' 'a mean'
expect '^residual standard deviation = 2\.645751311064' 'a mean'
printf '1,0\n3,1\n' >exact.csv
run "$ls" exact.csv
expect '^residual standard deviation = -?nan' 'no degrees of freedom'
if command -v /usr/bin/python3 >/dev/null; then # version 1 by hand: no NumPy needed
    /usr/bin/python3 - <<'PYTHON'
import struct
header = "{'descr': '<f4', 'fortran_order': True, 'shape': (4, 2), }"
header += ' ' * (-(10 + len(header) + 1) % 64) + '\n'
with open('line.npy', 'wb') as f:
    f.write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header.encode())
    f.write(struct.pack('<8f', 1, 3, 5, 7, 0, 1, 2, 3))
PYTHON
    run "$ls" line.npy
    expect '^b1 = (2|1\.99999999999999|2\.0000000000000)' '.npy'
fi

# bad input
bad 2 'unknown option --polly' "$ls" --polly 3 line.csv
bad 2 'needs a degree' "$ls" --poly
bad 2 'not zero' "$ls" --poly zero line.csv
bad 2 'not 0' "$ls" --poly 0 line.csv
bad 2 'not also other.csv' "$ls" line.csv other.csv
bad 2 'go with a file' "$ls" --no-intercept
bad 1 'nothing.csv' "$ls" nothing.csv
bad 1 'nothing.npy' "$ls" nothing.npy
printf '1,2,3\n4,5,6\n' >wide.csv
bad 1 '2 rows, too few for 3 coefficients' "$ls" wide.csv
bad 1 'one predictor, wide.csv has 2' "$ls" --poly 2 wide.csv
printf '1,2,3\n4,5\n' >ragged.csv
bad 1 'ragged.csv' "$ls" ragged.csv
printf 'y,x\n1,two\n' >words.csv
bad 1 'words.csv' "$ls" words.csv
: >empty.csv
bad 1 'empty.csv' "$ls" empty.csv
printf '1,1,2\n2,2,4\n3,3,6\n5,4,8\n' >twice.csv
bad 1 'do not determine' "$ls" twice.csv
printf '1,5\n2,5\n3,5\n' >constant.csv
bad 1 'b1 is a combination' "$ls" constant.csv
printf '1,0\n2,0\n3,0\n' >zero.csv
bad 1 'b1 is a combination' "$ls" zero.csv
printf '1,1\n2,inf\n3,3\n4,4\n' >inf.csv
bad 1 'row 2, column 2 is inf' "$ls" inf.csv
printf '1,1\nnan,2\n3,3\n4,4\n' >nan.csv
bad 1 'row 2, column 1 is nan' "$ls" nan.csv
printf '5\n6\n7\n' >only_y.csv
bad 1 'nothing to fit' "$ls" --no-intercept only_y.csv
printf '1,1e200\n2,2e200\n3,3e200\n4,5e200\n' >huge.csv
bad 1 'too large' "$ls" --poly 2 huge.csv
head -c 40 line.npy >short.npy 2>/dev/null
bad 1 'short.npy' "$ls" short.npy
bad 1 'read-only/no' "$folder/distribution_analysis" read-only/no.csv

# the sources are C11 and C++17 alike, without a warning
for example in "$source"/examples/*.c; do
    for compiler in 'gcc -std=c11' 'g++ -x c++ -std=c++17' 'clang -std=c11' 'clang++ -x c++ -std=c++17'; do
        command -v "${compiler%% *}" >/dev/null || continue
        ran=$((ran + 1))
        # shellcheck disable=SC2086 # a command and its options
        $compiler -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only -I"$source/include" "$example" ||
            fail "$compiler ${example##*/}"
    done
done

echo "$ran runs, $failed failed"
[ $failed = 0 ]
