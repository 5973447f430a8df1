// SPDX-License-Identifier: MIT
// What ssh_pump.c (the thread and all its connections) and ssh_link.c (one of them) share.
#ifndef DMPI_TRANSPORT_SSH_PUMP_IMPL_H
#define DMPI_TRANSPORT_SSH_PUMP_IMPL_H

#include <pthread.h>

#include "transport/nameless.h"
#include "transport/ssh_pump.h"

#define LINKS_MAX 200
#define CHUNK (64u << 10)

/* What can be done with a channel. */
enum dmpi_link_op { OP_OPEN, OP_READ, OP_WRITE, OP_EOF, OP_FREE };

enum dmpi_link_stage { OPENING, OPEN, CLOSING, GONE };

/* One connection from here and its channel. */
struct dmpi_ssh_link {
    int fd;
    LIBSSH2_CHANNEL *ch;
    bool started; /* the program behind a dial-stdio channel */
    enum dmpi_link_stage stage;
    size_t up_pos, up_len;     /* bytes of up still to go to the channel */
    size_t down_pos, down_len; /* bytes of down still to go to fd */
    bool fd_ended, eof_sent, ch_ended, fd_shut;
    char up[CHUNK];
    char down[CHUNK];
};

struct dmpi_ssh_pump {
    struct dmpi_ssh_session s;
    struct dmpi_ssh_way way;
    struct dmpi_nameless socket;
    int listener;
    int stop[2];
    pthread_t thread;
    bool has_thread;

    /* Of the thread alone. */
    struct dmpi_ssh_link
        *drain; /* an idle channel: with it the session is read when no other one wants to */
    struct dmpi_ssh_link *links[LINKS_MAX];
    size_t n;
    struct dmpi_ssh_link *opener; /* libssh2 can open one channel at a time */
    struct dmpi_ssh_link *owner; /* libssh2 has sent a part of a packet for owner_op: see perform */
    enum dmpi_link_op owner_op;
    int64_t last_in, last_out;

    pthread_mutex_t lock; /* of what follows */
    bool dead;
    struct dmpi_err why;
};

/* ssh_pump.c: notes why something was lost, and whether the whole session is. */
void dmpi_ssh_pump_note(struct dmpi_ssh_pump *p, bool dead, const char *what, const char *reason);
bool dmpi_ssh_pump_is_dead(struct dmpi_ssh_pump *p);

/*
 * ssh_link.c: one operation; true when it moved something. When libssh2 could send only a part of a
 * packet, the very same call must be made again before any other one on the session, or it fails for
 * good: the operation becomes the session's owner until it is through.
 */
bool dmpi_ssh_link_perform(struct dmpi_ssh_pump *p, struct dmpi_ssh_link *l, enum dmpi_link_op op);

/* All that can be done now for one connection; true when something moved. */
bool dmpi_ssh_link_advance(struct dmpi_ssh_pump *p, struct dmpi_ssh_link *l);

/* True when libssh2 holds something for it already, so that waiting for the socket is wrong. */
bool dmpi_ssh_link_pending(const struct dmpi_ssh_link *l);

/* Closes and frees; the channel must be gone, or go with its session. */
void dmpi_ssh_link_free(struct dmpi_ssh_link *l);

#endif
