#!/bin/bash
# install.sh SOURCE_ROOT BUILD_ROOT: install into an empty directory, then compile examples/quickstart.c against that copy
# through its darray.pc, as C11 and as C++17, and run both.
set -u
source_root=$1 build_root=$2
example=$source_root/examples/quickstart.c
[ -f "$example" ] || { echo "examples/quickstart.c does not exist"; exit 77; }

stage=$(mktemp -d) || exit 1
trap 'rm -rf "$stage"' EXIT
fail() { echo "FAILED: $*"; exit 1; }

${MESON:-meson} install -C "$build_root" --no-rebuild --quiet --destdir "$stage/root" ||
    fail "meson install --destdir"
pc=$(find "$stage/root" -name darray.pc)
[ -n "$pc" ] || fail "no darray.pc was installed"
export PKG_CONFIG_SYSROOT_DIR=$stage/root PKG_CONFIG_PATH=${pc%/*}
libdir=${PKG_CONFIG_PATH%/pkgconfig}
includedir=$(find "$stage/root" -type d -path '*/include/darray')
[ -L "$libdir/libdarray.so" ] || fail "no link libdarray.so in $libdir"
[ -e "$libdir/libdarray.so.0" ] || fail "no libdarray.so.0 in $libdir"
for header in "$source_root"/include/darray/*.h; do
    cmp -s "$header" "$includedir/${header##*/}" || fail "${header##*/} was not installed"
done

# The tool is optional. It must find the modules of the installed library, wherever that was moved.
tool=$(find "$stage/root" -type f -path '*/bin/darray')
if [ -x "$build_root/tools/darray" ]; then
    [ -n "$tool" ] || fail "the tool was not installed"
    for file in man1/darray.1 bash-completion/completions/darray site-functions/_darray vendor_completions.d/darray.fish; do
        [ -n "$(find "$stage/root" -path "*/$file")" ] || fail "$file was not installed"
    done
    env -u DARRAY_MODULES "$tool" info --json >"$stage/info.json" || fail "darray info: exit status $?"
    for module in "$libdir"/darray/darray_*.so; do
        [ -e "$module" ] || continue
        name=${module##*/}
        grep -q "there is no $name" "$stage/info.json" && fail "darray info does not find $name"
    done
fi

read -ra flags < <(pkg-config --cflags --libs darray) || fail "pkg-config darray"
case ${DARRAY_TEST_SANITIZE:-none} in
    none) sanitize=() ;;
    *) sanitize=("-fsanitize=$DARRAY_TEST_SANITIZE") ;;
esac
cp "$example" "$stage/quickstart.c" # no way to find the source tree's headers
cp "$example" "$stage/quickstart.cpp"
cd "$stage" || exit 1
read -ra compiler <<<"${DARRAY_TEST_CC:-cc}"
warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
"${compiler[@]}" -std=c11 "${warnings[@]}" "${sanitize[@]}" quickstart.c -o c11 "${flags[@]}" -lm ||
    fail "quickstart.c as C11"
programs=(c11)
case ${compiler[-1]##*/} in
    clang*) cxx=clang++ ;;
    *) cxx=g++ ;;
esac
if command -v $cxx >/dev/null; then
    $cxx -std=c++17 "${warnings[@]}" "${sanitize[@]}" quickstart.cpp -o cxx17 "${flags[@]}" -lm ||
        fail "quickstart.c as C++17"
    programs+=(cxx17)
elif [ "$cxx" = g++ ]; then
    fail "no g++"
fi
for program in "${programs[@]}"; do
    echo "== $program"
    LD_LIBRARY_PATH=$libdir ./"$program" || fail "$program: exit status $?"
done
