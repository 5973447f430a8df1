// SPDX-License-Identifier: MIT
// What the doctor's files share.
#ifndef DMPI_CLUSTER_DOCTOR_IMPL_H
#define DMPI_CLUSTER_DOCTOR_IMPL_H

#include "cluster/doctor.h"

// Adds a finding. node and remedy may be NULL; texts are copied, check is static.
void dmpi_report_add(struct dmpi_report *report, enum dmpi_verdict verdict, const char *check,
                     const char *node, const char *remedy, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

#endif
