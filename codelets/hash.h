/* SPDX-License-Identifier: BSD-3-Clause */
/* A hash of 64 bits, a word at a time: for tables in memory, never for what is kept. */
#ifndef DA_CODELETS_HASH_H
#define DA_CODELETS_HASH_H

#include <stdint.h>

static inline uint64_t da_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}

#endif
