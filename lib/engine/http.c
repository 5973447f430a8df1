// SPDX-License-Identifier: MIT
#include "engine/http.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/answer.h"

#define ANSWER_MAX (64u << 20)
#define REFUSAL_MAX (64u << 10)
#define BULK_BUFFER (256L << 10)
#define QUICK_MS 120000

/* What the callbacks of one exchange need. */
struct exchange {
    struct dmpi_http *req;
    struct dmpi_link *link;
    struct dmpi_buf refusal; /* the body of an answer that is no success */
    size_t sent;             /* bytes of req->body handed out */
    bool failed;             /* a sink or source said so; err holds why */
    struct dmpi_err *err;
    struct curl_slist *headers;
};

static long status_of(CURL *easy)
{
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static bool is_success(long status)
{
    return (status >= 200 && status < 300) || status == 304;
}

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    size_t len = size * n;
    if (!is_success(status_of(x->link->easy))) {
        size_t room = x->refusal.max - x->refusal.len;
        dmpi_buf_add(&x->refusal, data, len < room ? len : room);
        return len;
    }
    if (dmpi_sink_write(x->req->sink, data, len, x->err) == 0)
        return len;
    x->failed = true;
    return 0;
}

static size_t on_body(char *buf, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    size_t left = x->req->body_len - x->sent;
    size_t len = size * n < left ? size * n : left;
    if (len > 0)
        memcpy(buf, x->req->body + x->sent, len);
    x->sent += len;
    return len;
}

static size_t on_source(char *buf, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    const struct dmpi_source *source = x->req->source;
    ssize_t got = source->read(source->arg, buf, size * n, x->err);
    if (got >= 0)
        return (size_t)got;
    x->failed = true;
    return CURL_READFUNC_ABORT;
}

static void add_header(struct exchange *x, const char *line)
{
    struct curl_slist *more = curl_slist_append(x->headers, line);
    if (!more)
        dmpi_oom();
    x->headers = more;
}

static void prepare_headers(struct exchange *x)
{
    struct dmpi_http *req = x->req;
    add_header(x, "Expect:");
    if (req->type) {
        dmpi_autofree char *line = dmpi_xasprintf("Content-Type: %s", req->type);
        add_header(x, line);
    } else {
        add_header(x, "Content-Type:"); /* libcurl would call an empty POST a form */
    }
    if (req->source)
        add_header(x, "Transfer-Encoding: chunked");
    if (req->header)
        add_header(x, req->header);
    curl_easy_setopt(x->link->easy, CURLOPT_HTTPHEADER, x->headers);
}

/*
 * Bodies are read by callback and cannot be rewound on purpose: a request whose connection died
 * after its body went out must fail and not be sent a second time behind our back.
 */
static void prepare_body(struct exchange *x)
{
    CURL *easy = x->link->easy;
    struct dmpi_http *req = x->req;
    bool upload = req->source || req->body;
    if (upload) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, req->source ? on_source : on_body);
        curl_easy_setopt(easy, CURLOPT_READDATA, x);
        if (!req->source)
            curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)req->body_len);
    } else if (strcmp(req->method, "POST") == 0 || strcmp(req->method, "PUT") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
    } else if (strcmp(req->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, req->method);
}

static void prepare(struct dmpi_engine *e, struct exchange *x)
{
    CURL *easy = x->link->easy;
    dmpi_autofree char *url = dmpi_xasprintf("%s%s%s%s", dmpi_transport_base(e->transport),
                                             x->req->unversioned ? "" : "/v",
                                             x->req->unversioned ? "" : e->api, x->req->path);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    if (x->req->lane == DMPI_LANE_BULK) {
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BULK_BUFFER);
        curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, BULK_BUFFER);
    }
    prepare_body(x);
    prepare_headers(x);
}

static void note_headers(struct dmpi_http *req, CURL *easy)
{
    struct curl_header *h;
    for (size_t i = 0; i < req->n_headers; i++) {
        if (curl_easy_header(easy, req->headers[i].name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK)
            req->headers[i].value = dmpi_xstrdup(h->value);
    }
}

/* Of other methods the engine may send the head long before it has done what it was asked for. */
static bool is_prompt(const struct dmpi_http *req)
{
    return req->quick && strcmp(req->method, "GET") == 0;
}

/* ctl ended the exchange, or the patience with its answer. */
static int ended_early(struct dmpi_engine *e, const struct exchange *x, struct dmpi_err *err)
{
    const struct dmpi_http *req = x->req;
    if (err->code == DMPI_ETIMEOUT && is_prompt(req) && dmpi_link_answered(x->link))
        return dmpi_err_set(err, DMPI_ETIMEOUT,
                            "the Docker engine at %s does not go on with its answer (%s %s): "
                            "timed out",
                            dmpi_engine_name(e), req->method, req->path);
    if (err->code == DMPI_ETIMEOUT)
        return dmpi_err_set(err, DMPI_ETIMEOUT,
                            "the Docker engine at %s does not answer (%s %s): timed out",
                            dmpi_engine_name(e), req->method, req->path);
    return -1;
}

/* What a finished transfer means: 0, or -1 with the error. */
static int judge(struct dmpi_engine *e, struct exchange *x, CURLcode code, struct dmpi_err *err)
{
    struct dmpi_http *req = x->req;
    if (x->failed)
        return -1;
    /* A refusal that came whole counts, even when the rest of our body could not be sent. */
    bool refused = code == CURLE_SEND_ERROR && req->status >= 400 && x->refusal.len > 0;
    if (code != CURLE_OK && !refused)
        return dmpi_transport_explain(e->transport, code, x->link->why, err);
    if (is_success(req->status))
        return 0;
    return dmpi_answer_error(req->status, dmpi_buf_str(&x->refusal), x->refusal.len, err);
}

static int exchange(struct dmpi_engine *e, const struct dmpi_ctl *ctl, struct exchange *x,
                    struct dmpi_err *err)
{
    CURLcode code = CURLE_OK;
    prepare(e, x);
    int ended = dmpi_link_drive(x->link, ctl, is_prompt(x->req) ? e->pause_ms : 0, &code, err);
    x->req->status = status_of(x->link->easy);
    if (ended != 0)
        return ended_early(e, x, err);
    note_headers(x->req, x->link->easy);
    int result = judge(e, x, code, err);
    curl_multi_remove_handle(x->link->multi, x->link->easy);
    if (code == CURLE_OK) {
        dmpi_link_give(e, x->req->lane, x->link);
        x->link = NULL;
    }
    return result;
}

int dmpi_http_exchange(struct dmpi_engine *e, const struct dmpi_ctl *ctl, struct dmpi_http *req,
                       struct dmpi_err *err)
{
    struct exchange x = {.req = req, .refusal = DMPI_BUF_INIT(REFUSAL_MAX), .err = err};
    struct dmpi_ctl soon;
    int64_t start = dmpi_now_ms();
    if (req->quick) {
        soon = dmpi_ctl_within(ctl, QUICK_MS);
        ctl = &soon;
    }
    req->status = 0;
    if (dmpi_link_take(e, req->lane, ctl, &x.link, err) != 0)
        return -1;
    int result = exchange(e, ctl, &x, err);
    dmpi_link_close(x.link);
    curl_slist_free_all(x.headers);
    dmpi_buf_free(&x.refusal);
    // Arguments of a build may be secrets, such as a proxy's password.
    const char *secret = strstr(req->path, "buildargs=");
    int shown = secret ? (int)(secret - req->path) : (int)strlen(req->path);
    dmpi_debug("%s: %s %.*s: HTTP %ld, %lld ms", dmpi_engine_name(e), req->method, shown, req->path,
               req->status, (long long)(dmpi_now_ms() - start));
    return result;
}

static int parse_answer(struct dmpi_http *req, const struct dmpi_buf *text, json_t **out,
                        struct dmpi_err *err)
{
    *out = NULL;
    if (text->len == 0 && (req->status == 204 || req->status == 304))
        return 0;
    if (text->len == 0)
        return dmpi_err_set(err, DMPI_EPARSE, "%s %s: the engine answered HTTP %ld without a body",
                            req->method, req->path, req->status);
    if (dmpi_json_parse(out, dmpi_buf_str(text), text->len, err) != 0)
        return dmpi_err_wrap(err, "%s %s: the engine's answer is not JSON", req->method, req->path);
    return 0;
}

int dmpi_http_json(struct dmpi_engine *e, const struct dmpi_ctl *ctl, struct dmpi_http *req,
                   json_t *body, json_t **out, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(ANSWER_MAX);
    dmpi_autofree char *dump = body ? dmpi_json_dump(body) : NULL;
    struct dmpi_sink sink = dmpi_sink_to_buf(&text);
    if (dump) {
        req->body = dump;
        req->body_len = strlen(dump);
        req->type = "application/json";
    }
    req->sink = out ? &sink : NULL;
    int result = dmpi_http_exchange(e, ctl, req, err);
    if (text.overflow)
        return dmpi_err_set(err, DMPI_EPARSE, "%s %s: the engine's answer is over %u MiB",
                            req->method, req->path, ANSWER_MAX >> 20);
    if (result != 0)
        return -1;
    return out ? parse_answer(req, &text, out, err) : 0;
}
