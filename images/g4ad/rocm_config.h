// SPDX-License-Identifier: MIT
// What Open MPI's configure finds with ROCm; Debian's found none (config/opal_check_rocm.m4). That Open MPI
// was built without is also kept in a variable of its library, which MPIX_Query_rocm_support asks.
#ifndef DOCKMPI_ROCM_CONFIG_H
#define DOCKMPI_ROCM_CONFIG_H

#include <stdbool.h>

#undef OPAL_ROCM_SUPPORT
#define OPAL_ROCM_SUPPORT 1

extern bool opal_built_with_rocm_support;

__attribute__((constructor)) static void dockmpi_with_rocm(void)
{
    opal_built_with_rocm_support = true;
}

#endif
