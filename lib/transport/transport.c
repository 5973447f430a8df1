// SPDX-License-Identifier: MIT
#include "transport/transport.h"

#include <pthread.h>

#include "base/mem.h"
#include "base/text.h"
#include "transport/internal.h"

/* The one place that knows which schemes there are. */
static const struct dmpi_transport_ops *const table[] = {
    &dmpi_transport_unix,
    &dmpi_transport_tcp,
    &dmpi_transport_ssh,
};

// Less than an engine has to answer a ping, or a host that is off would be told as an engine that is silent. The fourth
// SYN goes out after 7 s.
#define CONNECT_TIMEOUT_MS 8000L

static CURLcode curl_state;

static void curl_start(void)
{
    /* What a handle is told is not checked: it must not be lost for want of memory. */
    curl_state = curl_global_init_mem(CURL_GLOBAL_DEFAULT, dmpi_xmalloc, free, dmpi_xrealloc,
                                      dmpi_xstrdup, dmpi_xcalloc);
}

static const struct dmpi_transport_ops *ops_of(enum dmpi_scheme scheme)
{
    for (size_t i = 0; i < DMPI_ARRAY_LEN(table); i++) {
        if (table[i]->scheme == scheme)
            return table[i];
    }
    return NULL;
}

int dmpi_transport_open(struct dmpi_transport **out, const struct dmpi_endpoint *ep,
                        const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, curl_start);
    if (curl_state != CURLE_OK)
        return dmpi_err_set(err, DMPI_ESYS, "libcurl does not start: %s",
                            curl_easy_strerror(curl_state));

    const struct dmpi_transport_ops *ops = ops_of(ep->scheme);
    if (!ops)
        return dmpi_err_set(err, DMPI_EINVAL, "%s: this kind of endpoint is not supported",
                            ep->url ? ep->url : "endpoint");
    struct dmpi_transport *t = dmpi_xcalloc(1, sizeof *t);
    t->ops = ops;
    dmpi_endpoint_copy(&t->ep, ep);
    t->name = ep->url ? dmpi_xstrdup(ep->url) : dmpi_endpoint_str(ep);
    if (ops->open(t, ctl, err) != 0) {
        dmpi_transport_close(t);
        return -1;
    }
    *out = t;
    return 0;
}

void dmpi_transport_close(struct dmpi_transport *t)
{
    if (!t)
        return;
    if (t->ops->close)
        t->ops->close(t);
    dmpi_endpoint_free(&t->ep);
    free(t->base);
    free(t->name);
    free(t);
}

int dmpi_transport_setup(struct dmpi_transport *t, CURL *easy, enum dmpi_lane lane,
                         const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* engines are reached directly, whatever is set */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* never waits for a look-up that hangs */
    return t->ops->setup(t, easy, lane, ctl, err);
}

const char *dmpi_transport_base(const struct dmpi_transport *t)
{
    return t->base;
}

const char *dmpi_transport_name(const struct dmpi_transport *t)
{
    return t->name;
}

bool dmpi_transport_has_lanes(const struct dmpi_transport *t)
{
    return t->ops->lanes;
}

void dmpi_transport_met(struct dmpi_transport *t)
{
    t->met = true;
}

int dmpi_transport_explain(struct dmpi_transport *t, CURLcode code, const char *detail,
                           struct dmpi_err *err)
{
    if (t->ops->explain && t->ops->explain(t, code, detail, err) != 0)
        return -1;
    switch (code) {
    case CURLE_GOT_NOTHING:
        return dmpi_err_set(err, DMPI_EUNREACHABLE,
                            "the Docker engine at %s closed the connection without an answer",
                            t->name);
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
        return dmpi_err_set(err, DMPI_EUNREACHABLE,
                            "the connection to the Docker engine at %s was lost in the middle of "
                            "its answer",
                            t->name);
    case CURLE_SEND_ERROR:
        return dmpi_err_set(err, DMPI_EUNREACHABLE,
                            "the connection to the Docker engine at %s was lost while sending",
                            t->name);
    case CURLE_SEND_FAIL_REWIND:
        return dmpi_err_set(err, DMPI_EUNREACHABLE,
                            "the connection to the Docker engine at %s was lost before it "
                            "answered; what was asked for may or may not have been done",
                            t->name);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
        return dmpi_err_set(err, DMPI_EPARSE,
                            "what answers at %s is not a Docker engine: it does not speak HTTP",
                            t->name);
    default:
        break;
    }
    dmpi_autofree char *safe =
        dmpi_text_print_safe(detail && *detail ? detail : curl_easy_strerror(code));
    return dmpi_err_set(err, DMPI_EUNREACHABLE, "Docker engine at %s: %s", t->name, safe);
}
