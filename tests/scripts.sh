#!/bin/bash
# scripts.sh SOURCE_ROOT: the scripts that know --help print the comment that they begin with and do nothing else; options that
# they do not have are refused. They run in a copy, from another folder.
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cp -r "$1/scripts" "$work/" || exit 1
mkdir "$work/elsewhere" && cd "$work/elsewhere" || exit 1

fail() {
    echo "$1"
    cat log
    exit 1
}

for name in demo test gpu-bundle gpu-check starpu-cuda soak lint all-cores; do
    for option in --help -h; do
        timeout 20 "$work/scripts/$name" $option >log 2>&1 || fail "$name $option: exit status $?"
        [[ $(head -n 1 log) =~ ^$name(\ [][A-Z. a-z-]*)?:\  ]] || fail "$name $option begins otherwise than with what it takes:"
        grep -qE '^(#|set |cd )' log && fail "$name $option prints more than the comment:"
    done
    case $name in test | all-cores) continue ;; esac # whose options are meson's, or the command's
    timeout 20 "$work/scripts/$name" --nothing >log 2>&1
    status=$?
    [ $status -eq 1 ] || fail "$name --nothing: exit status $status"
    grep -qF "$name: there is no option \"--nothing\"" log || fail "$name --nothing is refused in other words:"
done
timeout 20 "$work/scripts/demo" nothing >log 2>&1 && fail "demo nothing: exit status 0"
grep -qF 'demo: it takes no arguments, not "nothing"' log || fail "demo nothing is refused in other words:"
left=$(ls -A "$work" .)
[ "$left" = "$(printf '.:\nlog\n\n%s:\nelsewhere\nscripts' "$work")" ] || fail "something was made: $left"
