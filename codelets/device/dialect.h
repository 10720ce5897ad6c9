/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dialect that device kernels are written in: C with the names below, which dialect.c's preludes define for CUDA C (NVRTC)
 * and OpenCL C 1.2.
 *
 *   KERNEL(name)(BUFFER(T, x), BUFFER(const T, y), VALUE(args_t, a)) { ... }
 *       a kernel. In its body DATA(T, x) is the address of x's first element: GLOBAL T *p = DATA(T, x);
 *   GLOBAL, LOCAL      address spaces of pointers and of arrays shared by a work-group
 *   LOCAL_POINTER(T)   the type of a pointer to such an array, as a function's parameter
 *   FUNCTION           a function called by kernels, always inlined: PoCL shares a LOCAL array among groups if one works with it itself
 *   GROUP, LANE, LANES this work-group, this work-item in it, work-items in it; BARRIER()
 *   i8 ... u64, f32, f64; f16_bits, bf16_bits (u16)
 *   c64, c128          struct { f32 re, im; }, struct { f64 re, im; }
 *
 * No contraction of products and sums, in either language. Structs given by VALUE have members of 8 bytes, so that they are the same on
 * the host. With DA_NO_F64 (a device without doubles) f64 and c128 are not defined.
 */
#ifndef DA_CODELETS_DIALECT_H
#define DA_CODELETS_DIALECT_H

/* The text that a module puts in front of a program. */
extern const char da_dialect_cuda[];
extern const char da_dialect_opencl[];

#endif
