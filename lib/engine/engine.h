// SPDX-License-Identifier: MIT
#ifndef DMPI_ENGINE_ENGINE_H
#define DMPI_ENGINE_ENGINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ctl.h"
#include "base/err.h"
#include "engine/stream.h"
#include "spec/endpoint.h"

/*
 * One Docker engine (or Podman's Docker-compatible service). Safe for several threads at once.
 * Every call takes a dmpi_ctl (NULL: no limit, not cancellable) whose deadline and cancel
 * descriptor it obeys while it waits for the engine; sinks and sources that block are the
 * caller's own business.
 *
 * Error codes of every call: EUNREACHABLE (no engine, connection lost), EDENIED (socket
 * permission, certificates, 401, 403), ETIMEOUT, ECANCELED, ENOTFOUND (404), ECONFLICT (409),
 * EINVAL (400), EENGINE (every other refusal, with the engine's own message), EPARSE (an answer
 * that is not what the API promises).
 */
struct dmpi_engine;

/* The span of API versions that this client speaks. */
#define DMPI_API_MIN "1.41"
#define DMPI_API_MAX "1.51"

/* Connects, pings and agrees on an API version. A hung engine costs 15 s at most. */
int dmpi_engine_open(struct dmpi_engine **out, const struct dmpi_endpoint *ep,
                     const struct dmpi_ctl *ctl, struct dmpi_err *err);

/* NULL is allowed. No call and no hijacked connection may be under way. */
void dmpi_engine_close(struct dmpi_engine *e);

/* Closes the connections that wait for another call, with what is held for them; a later call makes new ones. */
void dmpi_engine_rest(struct dmpi_engine *e);

/* The agreed API version, such as "1.41". Borrowed. */
const char *dmpi_engine_api(const struct dmpi_engine *e);

/* The operating system that the engine runs containers for ("linux"), "" if it does not say. */
const char *dmpi_engine_os(const struct dmpi_engine *e);

/* True for Podman's service. */
bool dmpi_engine_is_podman(const struct dmpi_engine *e);

/* The endpoint as the user wrote it. Borrowed. */
const char *dmpi_engine_name(const struct dmpi_engine *e);

/*
 * One call with a JSON body (or none) and a JSON answer (or none). path starts with '/', has no
 * version prefix and includes the query (see engine/url.h). body is borrowed. out may be NULL;
 * *out is NULL after an answer without a body (204, 304). Answers over 64 MiB are refused.
 */
int dmpi_engine_call(struct dmpi_engine *e, const struct dmpi_ctl *ctl, const char *method,
                     const char *path, json_t *body, json_t **out, struct dmpi_err *err);

/* GET /version, /info and /system/df as the engine answers them; *out is new. */
int dmpi_engine_version(struct dmpi_engine *e, const struct dmpi_ctl *ctl, json_t **out,
                        struct dmpi_err *err);
int dmpi_engine_info(struct dmpi_engine *e, const struct dmpi_ctl *ctl, json_t **out,
                     struct dmpi_err *err);
int dmpi_engine_df(struct dmpi_engine *e, const struct dmpi_ctl *ctl, json_t **out,
                   struct dmpi_err *err);

/*
 * Called with each object of a stream of JSON objects (borrowed). 0: go on; 1: enough, the call
 * ends with success; -1: give up with *err set.
 */
typedef int (*dmpi_json_cb)(void *arg, json_t *object, struct dmpi_err *err);

/*
 * Follows the engine's events until cb says enough, ctl ends it, or until (unix seconds, 0: never)
 * is reached. filters: strings "label=KEY=VALUE", "type=container", "event=die", NULL-terminated
 * (NULL: all). since: unix seconds, 0: from now.
 */
int dmpi_engine_events(struct dmpi_engine *e, const struct dmpi_ctl *ctl,
                       const char *const *filters, int64_t since, int64_t until, dmpi_json_cb cb,
                       void *arg, struct dmpi_err *err);

#endif
