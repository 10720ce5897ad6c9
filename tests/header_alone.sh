#!/bin/bash
# header_alone.sh INCLUDE_DIR: every public header compiles alone and without a warning, as C11 and as C++17, with every
# compiler that is there. A header that meson does not install fails too.
set -u
include=$1
flags=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only -I "$include")
compilers=0 checks=0 failed=0

check() { # compiler language standard header
    checks=$((checks + 1))
    if ! printf '#include <darray/%s>\n' "$4" | "$1" "-std=$3" "${flags[@]}" -x "$2" -; then
        echo "FAILED: darray/$4 alone, $1 -std=$3"
        failed=$((failed + 1))
    fi
}

shopt -s nullglob
headers=("$include"/darray/*.h)
[ ${#headers[@]} -gt 0 ] || { echo "no header in $include/darray"; exit 77; }
for header in "${headers[@]}"; do
    name=${header##*/}
    if ! grep -qF "'darray/$name'" "$include/meson.build"; then
        echo "FAILED: include/meson.build does not list darray/$name"
        failed=$((failed + 1))
    fi
done
for spec in gcc:c:c11 clang:c:c11 clang-14:c:c11 g++:c++:c++17 clang++:c++:c++17; do
    IFS=: read -r compiler language standard <<<"$spec"
    command -v "$compiler" >/dev/null || continue
    [ "$compiler" = clang-14 ] && command -v clang >/dev/null && continue
    # a clang without a C++ library is no C++ compiler
    echo '#include <stddef.h>' | "$compiler" -fsyntax-only -x "$language" - 2>/dev/null || continue
    if [ "$language" = c++ ]; then
        echo '#include <complex>' | "$compiler" -fsyntax-only -x c++ - 2>/dev/null || continue
    fi
    compilers=$((compilers + 1))
    for header in "${headers[@]}"; do
        check "$compiler" "$language" "$standard" "${header##*/}"
    done
done
[ "$compilers" -gt 0 ] || { echo "no compiler found"; exit 1; }
echo "${#headers[@]} headers, $compilers compilers, $checks compilations, $failed failed"
[ "$failed" -eq 0 ]
