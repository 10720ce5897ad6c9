# SPDX-License-Identifier: BSD-3-Clause
# fish completion of darray(1)
complete -c darray -f
complete -c darray -n __fish_use_subcommand -a info -d 'what the library found here'
complete -c darray -n __fish_use_subcommand -a calibrate -d 'measure the kernels'
complete -c darray -n __fish_use_subcommand -a models -d 'what was measured'
complete -c darray -n __fish_use_subcommand -a bench -d 'the benchmarks'
complete -c darray -n __fish_use_subcommand -l version -d 'the version'
complete -c darray -l help -d 'what there is'
complete -c darray -n '__fish_seen_subcommand_from info bench' -l json -d 'JSON'
complete -c darray -n '__fish_seen_subcommand_from calibrate' -l kernel -x -d 'only this one' \
    -a "(DARRAY_DEVICE=cpu darray calibrate --list 2>/dev/null | awk 'NR > 1 { print \$1 }' | sort -u)"
complete -c darray -n '__fish_seen_subcommand_from calibrate' -l dtype -x -d 'only this element type' \
    -a 'bool i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64 c64 c128'
complete -c darray -n '__fish_seen_subcommand_from calibrate' -l size -x -d 'MIN:MAX'
complete -c darray -n '__fish_seen_subcommand_from calibrate' -l runtime -x -a starpu -d 'the one that has models'
complete -c darray -n '__fish_seen_subcommand_from calibrate bench' -l quick -d 'few and small'
complete -c darray -n '__fish_seen_subcommand_from calibrate bench' -l list -d 'without doing it'
complete -c darray -n '__fish_seen_subcommand_from models; and not __fish_seen_subcommand_from list show plot predict export import reset' \
    -a 'list show plot predict export import reset'
complete -c darray -n '__fish_seen_subcommand_from show plot reset' \
    -a "(darray models list 2>/dev/null | awk '/^darray_/ { print \$1 }')"
complete -c darray -n '__fish_seen_subcommand_from predict' -a 'cholesky lu matmul qr solve_triangular symm syr2k syrk trmm trsm'
complete -c darray -n '__fish_seen_subcommand_from predict' -l dtype -x -a 'f32 f64 c64 c128' -d 'of these elements'
complete -c darray -n '__fish_seen_subcommand_from predict' -l workers -x -d 'with so many'
complete -c darray -n '__fish_seen_subcommand_from predict' -l measure -x -d 'run each so often'
complete -c darray -n '__fish_seen_subcommand_from reset' -l all -d 'all of them'
complete -c darray -n '__fish_seen_subcommand_from plot' -s o -r -F -d 'into this file'
complete -c darray -n '__fish_seen_subcommand_from export import' -F
complete -c darray -n '__fish_seen_subcommand_from bench' -l runtime -x -a 'openmp starpu' -d 'only this one'
complete -c darray -n '__fish_seen_subcommand_from bench' -l size -x -d 'cases of this size'
complete -c darray -n '__fish_seen_subcommand_from bench' -l self -d 'cases with this option'
complete -c darray -n '__fish_seen_subcommand_from bench' -l repeat -x -d 'pairs a case'
complete -c darray -n '__fish_seen_subcommand_from bench' -l program -r -F -d 'this darray-bench'
complete -c darray -n '__fish_seen_subcommand_from bench' -a "(darray bench --list 2>/dev/null | awk '{ print \$1 }' | sort -u)"
