#!/bin/bash
# exports.sh LIST LIBRARY: the library exports exactly the symbols of the list, all of them versioned.
# exports.sh LIST LIBRARY --print: only prints the symbols (scripts/update-exports).
set -u
list=$1 library=$2
symbols=$(nm -D --defined-only "$library") || exit 1

# the version's own node is no symbol of ours
actual=$(awk '$2 != "A" { print $3 }' <<<"$symbols" | LC_ALL=C sort -u)
unversioned=$(grep -v '@@DARRAY_0$' <<<"$actual" | grep .)
actual=${actual//@@DARRAY_0/}

if [ "${3:-}" = --print ]; then
    grep . <<<"$actual"
    exit 0
fi
if [ -n "$unversioned" ]; then
    printf 'exported without the version DARRAY_0:\n%s\n' "$unversioned"
    exit 1
fi
if difference=$(diff <(LC_ALL=C sort -u "$list" | grep .) <(grep . <<<"$actual")); then
    echo "$(grep -c . "$list") symbols"
    exit 0
fi
echo "the library's symbols are not those of tests/exports.txt (< only in the list, > only in the library):"
grep '^[<>]' <<<"$difference"
echo "If that is intended: scripts/update-exports, and commit the list."
exit 1
