// SPDX-License-Identifier: MIT
// How dockmpi reaches a Docker Engine: the URL in a cluster file, in DOCKER_HOST or in a docker
// context, taken apart and checked. Nothing here connects.
#ifndef DMPI_SPEC_ENDPOINT_H
#define DMPI_SPEC_ENDPOINT_H

#include <stdbool.h>

#include "base/err.h"

#define DMPI_DOCKER_SOCK "/var/run/docker.sock"

enum dmpi_scheme { DMPI_UNIX, DMPI_TCP, DMPI_SSH };

// All strings are owned; those that do not apply to the scheme are NULL.
struct dmpi_endpoint {
    enum dmpi_scheme scheme;
    char *user;          // ssh; NULL: as ssh decides
    char *host;          // tcp, ssh: name or address, an IPv6 address without brackets
    int port;            // tcp: always set; ssh: 0 when the URL names none
    bool port_given;     // the URL names the port
    char *path;          // unix: the socket; ssh: the engine's socket on that host
    char *tls_dir;       // tcp: folder with ca.pem, cert.pem, key.pem; NULL: none
    bool tls;            // tcp: speak TLS
    bool tls_noverify;   // tcp: the server's certificate is not checked (docker contexts only)
    bool insecure_plain; // tcp without TLS to another machine was asked for in so many words
    char *identity;      // ssh: private key file; NULL: agent and defaults
    char *known_hosts;   // ssh: file; NULL: the user's
    char *url;           // as the user wrote it, for messages
};

// The empty endpoint; dmpi_endpoint_free leaves this behind.
#define DMPI_ENDPOINT_INIT                                                                         \
    {                                                                                              \
        .scheme = DMPI_UNIX                                                                        \
    }

// Understands unix:///PATH, a bare absolute PATH, tcp://HOST[:PORT], http:// and https:// likewise,
// ssh://[USER@]HOST[:PORT][/SOCKET]. Ports default to 2375 (tcp) and 2376 (https). Hosts and users
// that begin with '-' or hold odd characters are refused, and so are passwords in the URL. *out is
// owned by the caller and empty after an error (DMPI_EINVAL).
int dmpi_endpoint_parse(struct dmpi_endpoint *out, const char *url, struct dmpi_err *err);

// Makes a TCP endpoint speak TLS with the certificates in dir (NULL: those it has, if any). A port that
// the URL did not name becomes 2376.
void dmpi_endpoint_use_tls(struct dmpi_endpoint *ep, const char *dir);

// A TCP endpoint without TLS is refused (DMPI_EINVAL) unless its host is the loopback or
// insecure_plain is set. Call it when tls_dir and insecure_plain have got their final values.
int dmpi_endpoint_check(const struct dmpi_endpoint *ep, struct dmpi_err *err);

// What `docker` would talk to: DOCKER_HOST (with DOCKER_TLS_VERIFY, DOCKER_TLS, DOCKER_CERT_PATH), else
// DOCKER_CONTEXT, else the current context of config.json in DOCKER_CONFIG or ~/.docker, else
// DMPI_DOCKER_SOCK. Checked. An unknown context is DMPI_ENOTFOUND. DOCKMPI_INSECURE_TCP=1 sets
// insecure_plain.
int dmpi_endpoint_default(struct dmpi_endpoint *out, struct dmpi_err *err);

// out becomes a deep copy of ep, to be freed.
void dmpi_endpoint_copy(struct dmpi_endpoint *out, const struct dmpi_endpoint *ep);
void dmpi_endpoint_free(struct dmpi_endpoint *ep); // ep is empty afterwards; NULL is allowed

// The canonical URL ("ssh://ubuntu@10.0.0.1:22"), which parses back to the same parts. Owned by the
// caller.
char *dmpi_endpoint_str(const struct dmpi_endpoint *ep);

// Whether the engine is on this machine: a unix socket, or a loopback host.
bool dmpi_endpoint_local(const struct dmpi_endpoint *ep);

// Whether host is localhost, in 127.0.0.0/8, or ::1.
bool dmpi_host_is_loopback(const char *host);
// Whether host is an IPv4 or IPv6 address (not a name).
bool dmpi_host_is_address(const char *host);
// Whether host may be used as host name or address: letters, digits, '.', '-', '_', and ':' and '%'
// in IPv6 addresses; not empty, not longer than 253, not beginning with '-'.
bool dmpi_host_ok(const char *host);

#endif
