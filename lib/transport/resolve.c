// SPDX-License-Identifier: MIT
#include "transport/resolve.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define LOOK_UP_MS 10000

/* Belongs to the one who asks and the thread that looks up; the last of them frees it. */
struct question {
    char *host;
    char *port;
    int answered; /* readable once the thread is through */
    pthread_mutex_t lock;
    bool left; /* one of the two has gone */
    int why;   /* of getaddrinfo */
    struct addrinfo *list;
};

static int look_up(struct addrinfo **list, const char *host, const char *port, int flags)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
    return getaddrinfo(host, port, &hints, list);
}

static void leave(struct question *q)
{
    pthread_mutex_lock(&q->lock);
    bool last = q->left;
    q->left = true;
    pthread_mutex_unlock(&q->lock);
    if (!last)
        return;
    if (q->list)
        freeaddrinfo(q->list);
    if (q->answered >= 0)
        close(q->answered);
    pthread_mutex_destroy(&q->lock);
    free(q->host);
    free(q->port);
    free(q);
}

static void *answer(void *arg)
{
    struct question *q = arg;
    struct addrinfo *list = NULL;
    int why = look_up(&list, q->host, q->port, 0);
    pthread_mutex_lock(&q->lock);
    q->why = why;
    q->list = why == 0 ? list : NULL;
    pthread_mutex_unlock(&q->lock);
    eventfd_write(q->answered, 1);
    leave(q);
    return NULL;
}

static struct question *question_new(const char *host, const char *port)
{
    struct question *q = dmpi_xcalloc(1, sizeof *q);
    q->host = dmpi_xstrdup(host);
    q->port = dmpi_xstrdup(port);
    q->answered = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&q->lock, NULL);
    return q;
}

static int ask(struct question *q)
{
    pthread_t thread;
    pthread_attr_t attr;
    if (q->answered < 0)
        return errno;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    int why = pthread_create(&thread, &attr, answer, q);
    pthread_attr_destroy(&attr);
    return why;
}

static int wait_for(struct question *q, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct pollfd p = {.fd = q->answered, .events = POLLIN};
    int n = dmpi_ctl_poll_for(ctl, &p, 1, LOOK_UP_MS, err);
    if (n == 0 || (n < 0 && err->code == DMPI_ETIMEOUT))
        return dmpi_err_set(err, n == 0 ? DMPI_EUNREACHABLE : DMPI_ETIMEOUT,
                            "looking up the address of %s has no end: does the name server answer "
                            "(getent hosts %s)? An address in its place needs no look-up",
                            q->host, q->host);
    return n < 0 ? -1 : 0;
}

static int no_host(const char *host, int why, struct dmpi_err *err)
{
    if (why == EAI_AGAIN)
        return dmpi_err_set(err, DMPI_EUNREACHABLE,
                            "the address of %s cannot be looked up: no name server answers", host);
    return dmpi_err_set(err, DMPI_EUNREACHABLE, "there is no host %s: %s", host, gai_strerror(why));
}

int dmpi_resolve(struct addrinfo **out, const char *host, int port, const struct dmpi_ctl *ctl,
                 struct dmpi_err *err)
{
    dmpi_autofree char *service = dmpi_xasprintf("%d", port);
    if (look_up(out, host, service, AI_NUMERICHOST | AI_NUMERICSERV) == 0)
        return 0;
    struct question *q = question_new(host, service);
    int why = ask(q);
    if (why != 0) {
        q->left = true;
        leave(q);
        return dmpi_err_sys(err, why, "looking up %s", host);
    }
    int result = wait_for(q, ctl, err);
    if (result == 0) {
        pthread_mutex_lock(&q->lock);
        why = q->why;
        *out = DMPI_STEAL(q->list);
        pthread_mutex_unlock(&q->lock);
        result = why == 0 ? 0 : no_host(host, why, err);
    }
    leave(q);
    return result;
}
