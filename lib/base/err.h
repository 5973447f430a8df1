// SPDX-License-Identifier: MIT
// Errors: one code that a caller acts on, one line of text that a person acts on.
// The storage belongs to the caller (usually its stack), so that many nodes can fail at once.
#ifndef DMPI_BASE_ERR_H
#define DMPI_BASE_ERR_H

enum dmpi_code {
    DMPI_OK,
    DMPI_EINVAL,       // the user asked for something that makes no sense
    DMPI_ENOTFOUND,    // the named thing does not exist
    DMPI_ECONFLICT,    // it exists already, or is in the wrong state
    DMPI_EUNREACHABLE, // nobody answers there
    DMPI_EDENIED,      // permission or authentication
    DMPI_ETIMEOUT,     // the deadline passed
    DMPI_ECANCELED,    // the user interrupted
    DMPI_EENGINE,      // the Docker Engine reported a failure
    DMPI_ESYS,         // an operating system call failed
    DMPI_EPARSE,       // input is malformed
    DMPI_EPARTIAL,     // some nodes failed, others did not
};

struct dmpi_err {
    enum dmpi_code code;
    char msg[1024]; // always NUL-terminated; longer text is cut and ends in "..."
};

#define DMPI_ERR_INIT                                                                              \
    {                                                                                              \
        DMPI_OK, ""                                                                                \
    }

// Replaces whatever err held. Every function here returns -1, so that a failure is one line:
//     return dmpi_err_set(err, DMPI_EINVAL, "...");
// err must not be NULL. The arguments may point into err->msg.
int dmpi_err_set(struct dmpi_err *err, enum dmpi_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// Like dmpi_err_set with ": " and the text of errnum appended; the code follows from errnum
// (ENOENT is DMPI_ENOTFOUND, EACCES and EPERM are DMPI_EDENIED, EEXIST is DMPI_ECONFLICT,
// anything else DMPI_ESYS).
int dmpi_err_sys(struct dmpi_err *err, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// Puts "TEXT: " before the message that err holds; the code stays.
int dmpi_err_wrap(struct dmpi_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// A short constant word for a code ("not found"); never NULL.
const char *dmpi_code_name(enum dmpi_code code);

#endif
