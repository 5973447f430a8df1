// SPDX-License-Identifier: MIT
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/text.h"
#include "transport/internal.h"

#define DEAD_MS 20000

/* Paths of the PEM files; NULL where the folder has none. */
struct tcp_state {
    char *ca;
    char *cert;
    char *key;
};

/* Sets *out to DIR/NAME when that file can be read; absent is all right. */
static int pem_file(char **out, const char *dir, const char *name, struct dmpi_err *err)
{
    dmpi_autofree char *path = dmpi_io_join(dir, name);
    if (access(path, R_OK) == 0) {
        *out = DMPI_STEAL(path);
        return 0;
    }
    if (errno == ENOENT)
        return 0;
    return dmpi_err_sys(err, errno, "%s", path);
}

static int find_pem_files(struct dmpi_transport *t, struct dmpi_err *err)
{
    const char *dir = t->ep.tls_dir;
    struct tcp_state *s = t->state;
    if (access(dir, X_OK) != 0)
        return dmpi_err_sys(err, errno, "%s: folder of the TLS certificates %s", t->name, dir);
    if (pem_file(&s->ca, dir, "ca.pem", err) != 0 ||
        pem_file(&s->cert, dir, "cert.pem", err) != 0 ||
        pem_file(&s->key, dir, "key.pem", err) != 0)
        return dmpi_err_wrap(err, "%s", t->name);
    if (!s->ca && !s->cert)
        return dmpi_err_set(err, DMPI_ENOTFOUND,
                            "%s: no TLS certificates in %s: it needs ca.pem, cert.pem and key.pem",
                            t->name, dir);
    if (!s->cert != !s->key)
        return dmpi_err_set(err, DMPI_ENOTFOUND, "%s: %s has %s but not %s", t->name, dir,
                            s->cert ? "cert.pem" : "key.pem", s->cert ? "key.pem" : "cert.pem");
    return 0;
}

static int tcp_open(struct dmpi_transport *t, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    (void)ctl;
    const struct dmpi_endpoint *ep = &t->ep;
    if (!ep->host || !*ep->host)
        return dmpi_err_set(err, DMPI_EINVAL, "%s: no host", t->name);
    if (!ep->tls && !ep->insecure_plain && !dmpi_host_is_loopback(ep->host))
        return dmpi_err_set(err, DMPI_EINVAL,
                            "%s: refusing to speak to another machine's engine without TLS (who "
                            "can reach that port is root there): give it certificates, use "
                            "ssh://, or say insecure if that network is all yours",
                            t->name);
    t->state = dmpi_xcalloc(1, sizeof(struct tcp_state));
    if (ep->tls && ep->tls_dir && find_pem_files(t, err) != 0)
        return -1;
    bool v6 = strchr(ep->host, ':') != NULL;
    int port = ep->port > 0 ? ep->port : ep->tls ? 2376 : 2375;
    t->base = dmpi_xasprintf("%s://%s%s%s:%d", ep->tls ? "https" : "http", v6 ? "[" : "", ep->host,
                             v6 ? "]" : "", port);
    return 0;
}

static void tcp_close(struct dmpi_transport *t)
{
    struct tcp_state *s = t->state;
    if (!s)
        return;
    free(s->ca);
    free(s->cert);
    free(s->key);
    free(s);
}

static void setup_tls(const struct dmpi_transport *t, CURL *easy)
{
    const struct tcp_state *s = t->state;
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (s->ca) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, s->ca);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* not the system's authorities as well */
    }
    if (t->ep.tls_noverify) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (s->cert) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, s->cert);
        curl_easy_setopt(easy, CURLOPT_SSLKEY, s->key);
    }
}

/* A host that vanishes in the middle of a transfer is given up after DEAD_MS, not a quarter of an hour. */
static int tune_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    (void)arg;
    (void)purpose;
    int dead = DEAD_MS;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead, sizeof dead);
    return CURL_SOCKOPT_OK;
}

static int tcp_setup(struct dmpi_transport *t, CURL *easy, enum dmpi_lane lane,
                     const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    (void)lane;
    (void)ctl;
    (void)err;
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, tune_socket);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 5L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 5L);
    if (t->ep.tls)
        setup_tls(t, easy);
    return 0;
}

/*
 * Whether the other side ended the connection because of our certificate (or its absence). In TLS
 * 1.3 that comes after the handshake, and often nothing tells but that the first request fails.
 */
static bool certificate_refused(const struct dmpi_transport *t, CURLcode code, const char *detail)
{
    if (code == CURLE_SSL_CERTPROBLEM)
        return true;
    if (strstr(detail, "alert") && (strstr(detail, "certificate") || strstr(detail, "unknown ca")))
        return true;
    return !t->met && (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR);
}

static int explain_tls(struct dmpi_transport *t, CURLcode code, const char *detail,
                       struct dmpi_err *err)
{
    const struct tcp_state *s = t->state;
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
        return dmpi_err_set(err, DMPI_EDENIED,
                            "%s: the engine's TLS certificate is not accepted (checked against "
                            "%s): %s",
                            t->name, s->ca ? s->ca : "the system's authorities", detail);
    if (!certificate_refused(t, code, detail))
        return 0;
    if (!s->cert)
        return dmpi_err_set(err, DMPI_EDENIED,
                            "%s: the engine wants a TLS client certificate: put cert.pem and "
                            "key.pem into the folder of the certificates (%s)",
                            t->name, detail);
    return dmpi_err_set(err, DMPI_EDENIED, "%s: the TLS client certificate %s is refused: %s",
                        t->name, s->cert, detail);
}

static int explain_connect(struct dmpi_transport *t, CURLcode code, const char *detail,
                           struct dmpi_err *err)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return dmpi_err_set(err, DMPI_EUNREACHABLE, "%s: there is no host of that name (%s)",
                            t->name, t->ep.host);
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
        return dmpi_err_set(err, DMPI_EUNREACHABLE,
                            "no Docker engine answers at %s: %s: does it run, is it told to listen "
                            "there (dockerd -H), does a firewall stand between?",
                            t->name, detail);
    default:
        return 0;
    }
}

static int tcp_explain(struct dmpi_transport *t, CURLcode code, const char *detail,
                       struct dmpi_err *err)
{
    dmpi_autofree char *safe =
        dmpi_text_print_safe(detail && *detail ? detail : curl_easy_strerror(code));
    if (t->ep.tls && explain_tls(t, code, safe, err) != 0)
        return -1;
    if (t->ep.tls && code == CURLE_SSL_CONNECT_ERROR)
        return dmpi_err_set(err, DMPI_EUNREACHABLE,
                            "%s: no TLS connection: %s (is it a port without TLS?)", t->name, safe);
    return explain_connect(t, code, safe, err);
}

const struct dmpi_transport_ops dmpi_transport_tcp = {
    .scheme = DMPI_TCP,
    .open = tcp_open,
    .setup = tcp_setup,
    .explain = tcp_explain,
    .close = tcp_close,
};
