// SPDX-License-Identifier: MIT
#ifndef DMPI_ENGINE_ANSWER_H
#define DMPI_ENGINE_ANSWER_H

#include <jansson.h>
#include <stddef.h>

#include "base/err.h"

/* Pure readings of what an engine answered. */

/* The error for HTTP status (>= 300) and its body: the engine's own message. Returns -1. */
int dmpi_answer_error(long status, const char *body, size_t len, struct dmpi_err *err);

/* "1.41" -> 1041; -1 when it is no such thing. */
int dmpi_answer_api(const char *text);

/* The API version to speak with an engine that offers up to theirs; NULL when it is too old. */
const char *dmpi_answer_choose_api(const char *theirs);

/*
 * The head of an HTTP answer, up to and including its blank line, or 0 when that has not come yet,
 * -1 when it is no HTTP. *status and *length (-1: not told) are set.
 */
long dmpi_answer_head(const char *data, size_t len, long *status, long long *length);

#endif
