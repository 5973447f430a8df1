// SPDX-License-Identifier: MIT
// What pip needs to download on this machine, for a build that asks for it: behind a proxy that inspects
// https, or with a package index of one's own.
#ifndef DMPI_CLUSTER_PIP_H
#define DMPI_CLUSTER_PIP_H

#include "base/err.h"

// A folder for a build's context. Zero it before use.
struct dmpi_pip {
    char *dir; // its last name is "pip"; owned
    char *above;
};

// Makes the folder, readable by this user alone, with two files: `ca.crt`, the certificate authorities
// that this machine trusts (of $PIP_CERT, $REQUESTS_CA_BUNDLE, $SSL_CERT_FILE, $CURL_CA_BUNDLE, or the
// system's; empty where there are none), and `pip.conf`, which names it as /pip/ca.crt and says which index
// pip uses here. Errors say why it cannot be written.
int dmpi_pip_make(struct dmpi_pip *pip, struct dmpi_err *err);

void dmpi_pip_remove(struct dmpi_pip *pip); // folder and all; empty afterwards

// What a pip configuration file says about `name` ("index-url"), whichever section it stands in; values of
// several lines come on one. text is the file's content. NULL when it says nothing. Owned by the caller.
char *dmpi_pip_setting(const char *text, const char *name);

#endif
