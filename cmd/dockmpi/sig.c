// SPDX-License-Identifier: MIT
#include "sig.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int cancel_fd = -1, force_fd = -1, leave_fd = -1, winch_fd = -1;
static atomic_int first_signal;
static sigset_t collected;

static void raise_fd(int fd)
{
    uint64_t one = 1;
    if (write(fd, &one, sizeof one) < 0)
        return; /* the counter is full: it is readable already */
}

static void first(int signo)
{
    atomic_store(&first_signal, signo);
    raise_fd(cancel_fd);
}

/* Why a thread and not a handler: verbs act in normal context, where they may lock and allocate. */
static void *collect(void *unused)
{
    (void)unused;
    for (int count = 0;;) {
        int signo;
        if (sigwait(&collected, &signo) != 0)
            continue;
        if (signo == SIGWINCH) {
            raise_fd(winch_fd);
            continue;
        }
        if (signo == SIGHUP) { /* kernel and shell may both send one */
            if (count == 0)
                atomic_store(&first_signal, signo);
            raise_fd(leave_fd); /* before the other, so that who can leave does not cancel */
            if (count == 0)
                raise_fd(cancel_fd);
            count += count == 0;
            continue;
        }
        count++;
        if (count == 1) {
            first(signo);
        } else if (count == 2) {
            raise_fd(force_fd);
        } else {
            _exit(128 + signo);
        }
    }
    return NULL;
}

int dmpi_sig_start(void)
{
    cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    force_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    leave_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    winch_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    sigemptyset(&collected);
    sigaddset(&collected, SIGINT);
    sigaddset(&collected, SIGTERM);
    sigaddset(&collected, SIGWINCH);
    /* nohup leaves HUP ignored, and so it must stay. */
    struct sigaction hup;
    if (sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler != SIG_IGN)
        sigaddset(&collected, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &collected, NULL);
    if (cancel_fd < 0 || force_fd < 0 || leave_fd < 0 || winch_fd < 0)
        return errno;
    pthread_t thread;
    int errnum = pthread_create(&thread, NULL, collect, NULL);
    if (errnum == 0)
        pthread_detach(thread);
    return errnum;
}

int dmpi_sig_cancel_fd(void)
{
    return cancel_fd;
}

int dmpi_sig_force_fd(void)
{
    return force_fd;
}

int dmpi_sig_leave_fd(void)
{
    return leave_fd;
}

int dmpi_sig_winch_fd(void)
{
    return winch_fd;
}

int dmpi_sig_first(void)
{
    return atomic_load(&first_signal);
}
