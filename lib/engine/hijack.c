// SPDX-License-Identifier: MIT
#include "engine/hijack.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"
#include "engine/answer.h"
#include "engine/http.h"

#define HEAD_MAX (64u << 10)
#define OUT_SIZE (64u << 10)

struct dmpi_hijack {
    struct dmpi_link *link;
    char *name; /* of the engine, for messages */
    curl_socket_t fd;
    struct dmpi_buf early; /* bytes that came with the answer's head */
    bool ended;            /* the other side ended its direction */
    bool half_closed;
    size_t out_pos, out_len; /* bytes of out still to be sent: out_pos..out_len */
    char *out;
    size_t out_room; /* OUT_SIZE at most; a connection that only listens has much less */
};

/* Keys pass through it. */
static void free_out(struct dmpi_hijack *h)
{
    dmpi_secret_free(DMPI_STEAL(h->out), h->out_room);
    h->out_room = 0;
}

void dmpi_hijack_close(struct dmpi_hijack *h)
{
    if (!h)
        return;
    dmpi_link_close(h->link);
    dmpi_buf_free(&h->early);
    free_out(h);
    free(h->name);
    free(h);
}

int dmpi_hijack_fd(const struct dmpi_hijack *h)
{
    return h->fd;
}

bool dmpi_hijack_wants_write(const struct dmpi_hijack *h)
{
    return h->out_pos < h->out_len;
}

static int lost(const struct dmpi_hijack *h, const char *doing, struct dmpi_err *err)
{
    return dmpi_err_set(err, DMPI_EUNREACHABLE,
                        "the connection to the Docker engine at %s was lost while %s", h->name,
                        doing);
}

static ssize_t take_early(struct dmpi_hijack *h, void *buf, size_t n)
{
    size_t part = n < h->early.len ? n : h->early.len;
    memcpy(buf, h->early.data, part);
    dmpi_buf_consume(&h->early, part);
    return (ssize_t)part;
}

ssize_t dmpi_hijack_read_some(struct dmpi_hijack *h, void *buf, size_t n, struct dmpi_err *err)
{
    size_t got = 0;
    if (h->early.len > 0)
        return take_early(h, buf, n);
    if (h->ended)
        return 0;
    switch (curl_easy_recv(h->link->easy, buf, n, &got)) {
    case CURLE_OK:
        h->ended = got == 0;
        return (ssize_t)got;
    case CURLE_AGAIN:
        return DMPI_WOULD_BLOCK;
    default:
        return lost(h, "reading", err);
    }
}

static int wait_for(struct dmpi_hijack *h, const struct dmpi_ctl *ctl, short events,
                    struct dmpi_err *err)
{
    struct pollfd p = {.fd = h->fd, .events = events};
    if (dmpi_hijack_wants_write(h))
        p.events |= POLLOUT;
    return dmpi_ctl_poll(ctl, &p, 1, err) < 0 ? -1 : 0;
}

ssize_t dmpi_hijack_read(struct dmpi_hijack *h, const struct dmpi_ctl *ctl, void *buf, size_t n,
                         struct dmpi_err *err)
{
    for (;;) {
        ssize_t got = dmpi_hijack_read_some(h, buf, n, err);
        if (got != DMPI_WOULD_BLOCK)
            return got;
        if (wait_for(h, ctl, POLLIN, err) != 0)
            return -1;
        if (dmpi_hijack_wants_write(h) && dmpi_hijack_write_some(h, NULL, 0, err) == -1)
            return -1;
    }
}

/* Sends what waits in out; 0 when all is gone, DMPI_WOULD_BLOCK or -1 otherwise. */
static int flush(struct dmpi_hijack *h, struct dmpi_err *err)
{
    while (h->out_pos < h->out_len) {
        size_t sent = 0;
        /* TLS wants the very same bytes again after "again": they stay where they are. */
        CURLcode code =
            curl_easy_send(h->link->easy, h->out + h->out_pos, h->out_len - h->out_pos, &sent);
        if (code == CURLE_AGAIN)
            return DMPI_WOULD_BLOCK;
        if (code != CURLE_OK)
            return lost(h, "writing", err);
        h->out_pos += sent;
    }
    return 0;
}

ssize_t dmpi_hijack_write_some(struct dmpi_hijack *h, const void *data, size_t n,
                               struct dmpi_err *err)
{
    int state = flush(h, err);
    if (state != 0 || n == 0)
        return state;
    if (h->half_closed)
        return dmpi_err_set(err, DMPI_EINVAL, "writing after the end of the input");
    size_t part = n < OUT_SIZE ? n : OUT_SIZE;
    if (part > h->out_room) {
        free_out(h);
        h->out = dmpi_xmalloc(part);
        h->out_room = part;
    }
    memcpy(h->out, data, part);
    h->out_pos = 0;
    h->out_len = part;
    return flush(h, err) == -1 ? -1 : (ssize_t)part;
}

static int flush_all(struct dmpi_hijack *h, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    int state;
    while ((state = flush(h, err)) == DMPI_WOULD_BLOCK) {
        if (wait_for(h, ctl, POLLOUT, err) != 0)
            return -1;
    }
    return state;
}

int dmpi_hijack_write(struct dmpi_hijack *h, const struct dmpi_ctl *ctl, const void *data, size_t n,
                      struct dmpi_err *err)
{
    const char *p = data;
    while (n > 0) {
        ssize_t took = dmpi_hijack_write_some(h, p, n, err);
        if (took == -1)
            return -1;
        if (took == DMPI_WOULD_BLOCK) {
            if (wait_for(h, ctl, POLLOUT, err) != 0)
                return -1;
            continue;
        }
        p += took;
        n -= (size_t)took;
    }
    return flush_all(h, ctl, err);
}

/* The TLS connection under h, NULL when there is none. */
static SSL *tls_of(const struct dmpi_hijack *h)
{
    struct curl_tlssessioninfo *info = NULL;
    if (curl_easy_getinfo(h->link->easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || !info ||
        info->backend != CURLSSLBACKEND_OPENSSL)
        return NULL;
    return info->internals;
}

/*
 * TLS has an end of its own for one direction. A bare TCP end would look like an attack to the
 * other side, which then drops what it still had to say.
 */
static int end_tls(struct dmpi_hijack *h, SSL *ssl, const struct dmpi_ctl *ctl,
                   struct dmpi_err *err)
{
    for (;;) {
        ERR_clear_error();
        int done = SSL_shutdown(ssl);
        if (done >= 0)
            return 0;
        int why = SSL_get_error(ssl, done);
        ERR_clear_error(); /* libcurl must not take it for its own */
        if (why != SSL_ERROR_WANT_WRITE && why != SSL_ERROR_WANT_READ)
            return lost(h, "ending the input", err);
        if (wait_for(h, ctl, why == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN, err) != 0)
            return -1;
    }
}

int dmpi_hijack_half_close(struct dmpi_hijack *h, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    if (h->half_closed)
        return 0;
    if (flush_all(h, ctl, err) != 0)
        return -1;
    h->half_closed = true;
    SSL *ssl = tls_of(h);
    if (ssl)
        return end_tls(h, ssl, ctl, err);
    if (shutdown(h->fd, SHUT_WR) != 0 && errno != ENOTCONN)
        return lost(h, "ending the input", err);
    return 0;
}

/* "host:port" of "https://host:port". */
static const char *authority(const char *base)
{
    const char *slashes = strstr(base, "://");
    return slashes ? slashes + 3 : base;
}

static char *request_text(struct dmpi_engine *e, const char *path, const char *body)
{
    return dmpi_xasprintf("POST /v%s%s HTTP/1.1\r\n"
                          "Host: %s\r\n"
                          "Connection: Upgrade\r\n"
                          "Upgrade: tcp\r\n"
                          "%s"
                          "Content-Length: %zu\r\n"
                          "\r\n%s",
                          e->api, path, authority(dmpi_transport_base(e->transport)),
                          *body ? "Content-Type: application/json\r\n" : "", strlen(body), body);
}

static int not_http(const struct dmpi_hijack *h, struct dmpi_err *err)
{
    return dmpi_err_set(err, DMPI_EPARSE,
                        "what answers at %s is not a Docker engine: it does not speak HTTP",
                        h->name);
}

/* Adds what comes next to early; 0 at the end of the stream. */
static ssize_t read_more(struct dmpi_hijack *h, const struct dmpi_ctl *ctl, struct dmpi_buf *early,
                         struct dmpi_err *err)
{
    char part[4096];
    ssize_t got = dmpi_hijack_read(h, ctl, part, sizeof part, err);
    if (got > 0)
        dmpi_buf_add(early, part, (size_t)got);
    if (early->overflow)
        return dmpi_err_set(err, DMPI_EPARSE, "%s: the answer's head is over %u KiB", h->name,
                            HEAD_MAX >> 10);
    return got;
}

/* The engine said no: reads the reason, as much of it as comes. */
static int refusal(struct dmpi_hijack *h, const struct dmpi_ctl *ctl, struct dmpi_buf *text,
                   long status, long long length, struct dmpi_err *err)
{
    struct dmpi_err ignored;
    while (length < 0 || text->len < (size_t)length) {
        if (read_more(h, ctl, text, &ignored) <= 0)
            break;
    }
    const char *start = text->len ? memchr(text->data, '{', text->len) : NULL;
    const char *end = text->len ? memrchr(text->data, '}', text->len) : NULL;
    if (start && end && end > start) /* whatever frames it, such as the sizes of chunks */
        return dmpi_answer_error(status, start, (size_t)(end - start) + 1, err);
    return dmpi_answer_error(status, dmpi_buf_str(text), text->len, err);
}

/* Reads the head of the answer; bytes behind it become h->early. */
static int read_answer(struct dmpi_hijack *h, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(HEAD_MAX);
    long status = 0, head;
    long long length = -1;
    while ((head = dmpi_answer_head(dmpi_buf_str(&text), text.len, &status, &length)) == 0) {
        ssize_t got = read_more(h, ctl, &text, err);
        if (got < 0)
            return -1;
        if (got == 0)
            return lost(h, "waiting for its answer", err);
    }
    if (head < 0)
        return not_http(h, err);
    dmpi_buf_consume(&text, (size_t)head);
    if (status != 101 && status != 200)
        return refusal(h, ctl, &text, status, length, err);
    dmpi_buf_add(&h->early, dmpi_buf_str(&text), text.len);
    return 0;
}

static int handshake(struct dmpi_engine *e, struct dmpi_hijack *h, const struct dmpi_ctl *ctl,
                     const char *path, json_t *body, struct dmpi_err *err)
{
    dmpi_autofree char *dump = body ? dmpi_json_dump(body) : dmpi_xstrdup("");
    dmpi_autofree char *request = request_text(e, path, dump);
    if (dmpi_hijack_write(h, ctl, request, strlen(request), err) != 0)
        return -1;
    return read_answer(h, ctl, err);
}

static int connect_only(struct dmpi_engine *e, struct dmpi_hijack *h, enum dmpi_lane lane,
                        const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    CURLcode code = CURLE_OK;
    if (dmpi_link_open(e, lane, ctl, &h->link, err) != 0)
        return -1;
    CURL *easy = h->link->easy;
    curl_easy_setopt(easy, CURLOPT_URL, dmpi_transport_base(e->transport));
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    if (dmpi_link_drive(h->link, ctl, 0, &code, err) != 0)
        return -1;
    if (code == CURLE_OK)
        code = curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &h->fd);
    if (code != CURLE_OK)
        return dmpi_transport_explain(e->transport, code, h->link->why, err);
    return 0;
}

int dmpi_hijack_open(struct dmpi_engine *e, enum dmpi_lane lane, const struct dmpi_ctl *ctl,
                     const char *path, json_t *body, struct dmpi_hijack **out, struct dmpi_err *err)
{
    struct dmpi_hijack *h = dmpi_xcalloc(1, sizeof *h);
    h->name = dmpi_xstrdup(dmpi_engine_name(e));
    h->early = (struct dmpi_buf)DMPI_BUF_INIT(HEAD_MAX);
    if (connect_only(e, h, lane, ctl, err) != 0 || handshake(e, h, ctl, path, body, err) != 0) {
        dmpi_hijack_close(h);
        return -1;
    }
    *out = h;
    return 0;
}
