// SPDX-License-Identifier: MIT
#ifndef DMPI_ENGINE_URL_H
#define DMPI_ENGINE_URL_H

#include "base/buf.h"

/*
 * Builds the path of a request piece by piece in a dmpi_buf: literal text by dmpi_buf_adds,
 * everything that came from outside by these.
 */

/* Appends text with every byte escaped that may not stand in a path; '/' is kept only if slash. */
void dmpi_url_add_path(struct dmpi_buf *url, const char *text, bool slash);

/* Appends "?key=value" or "&key=value", value escaped. Nothing when value is NULL. */
void dmpi_url_add_query(struct dmpi_buf *url, const char *key, const char *value);

/* The same for numbers and for "1" when yes (nothing when not). */
void dmpi_url_add_query_int(struct dmpi_buf *url, const char *key, long long value);
void dmpi_url_add_query_flag(struct dmpi_buf *url, const char *key, bool yes);

/*
 * Appends the query "filters={...}" made of strings "key=value" (NULL-terminated list, NULL: none),
 * as GET /containers/json, /images/json and /events want it.
 */
void dmpi_url_add_filters(struct dmpi_buf *url, const char *const *filters);

#endif
