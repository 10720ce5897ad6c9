#!/bin/bash
# cuda_glue.sh [LIBRARY]: the static library of what is for a StarPU with CUDA really has its CUDA half. A word with a space is a
# reason to skip, and so is none.
set -u
library=${1:-no StarPU}
case $library in
    *\ *) echo "$library: skipped"; exit 77 ;;
esac
symbols=$(nm "$library") || exit 1
for name in run_on_cuda starpu_cuda_get_local_stream; do
    grep -q " $name\$" <<<"$symbols" || { echo "$library was compiled without $name"; exit 1; }
done
echo "$library has StarPU's CUDA half"
