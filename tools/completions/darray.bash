# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# bash completion of darray(1)

_darray() {
    local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} words=
    if [ "$COMP_CWORD" -eq 1 ]; then
        words='info calibrate models bench --help --version'
    else
        case $command:$last in
            calibrate:--kernel) words=$(DARRAY_DEVICE=cpu darray calibrate --list 2>/dev/null | awk 'NR > 1 { print $1 }' | sort -u) ;;
            calibrate:--dtype) words='bool i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64 c64 c128' ;;
            calibrate:--runtime) words=starpu ;;
            calibrate:*) words='--kernel --dtype --size --quick --runtime --list --help' ;;
            models:models) words='list show plot predict export import reset --help' ;;
            models:show | models:plot | models:reset)
                words="$(darray models list 2>/dev/null | awk '/^darray_/ { print $1 }')"
                [ "$last" = reset ] && words+=' --all' ;;
            models:predict) words='cholesky lu matmul qr solve_triangular symm syr2k syrk trmm trsm' ;;
            models:--dtype) words='f32 f64 c64 c128' ;;
            models:-o | models:--output | models:export | models:import) # a file
                mapfile -t COMPREPLY < <(compgen -f -- "$word")
                return ;;
            models:*)
                case ${COMP_WORDS[2]} in
                    plot) words=-o ;;
                    predict) words='--dtype --workers --measure' ;;
                esac ;;
            bench:--runtime) words='openmp starpu' ;;
            bench:--program)
                mapfile -t COMPREPLY < <(compgen -f -- "$word")
                return ;;
            bench:*) words="--runtime --quick --size --self --repeat --json --program --list --help
                $(darray bench --list 2>/dev/null | awk '{ print $1 }' | sort -u)" ;;
            info:*) words='--json --help' ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _darray darray
