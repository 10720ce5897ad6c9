/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

const da_device_kernel da_device_array_kernels[] = {{0}};
