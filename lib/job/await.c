// SPDX-License-Identifier: MIT
#include "job/await.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/containers.h"

#define FIND_MS ((int64_t)60000)
#define PAUSE_MS ((int64_t)300)
#define HELD_MS ((int64_t)3000) // a connection that lasted so long was one

int dmpi_await_code(struct dmpi_engine *engine, const char *id, const struct dmpi_ctl *ctl,
                    int *code, struct dmpi_err *err)
{
    for (int64_t lost = 0;;) {
        int64_t began = dmpi_now_ms();
        struct dmpi_err why;
        if (dmpi_container_wait(engine, ctl, id, code, err) == 0)
            return 0;
        if (err->code != DMPI_EUNREACHABLE && err->code != DMPI_EPARSE)
            return -1;
        int64_t now = dmpi_now_ms();
        if (!lost || now - began > HELD_MS)
            lost = now;
        if (now - lost > FIND_MS)
            return -1;
        if (dmpi_ctl_sleep(ctl, PAUSE_MS, &why) < 0) {
            *err = why;
            return -1;
        }
    }
}

static void *wait_for_code(void *arg)
{
    struct dmpi_await *a = arg;
    struct dmpi_err ignored;
    struct dmpi_ctl ctl = DMPI_CTL_NONE;
    ctl.cancel_fd = a->stop_fd;
    a->known = dmpi_await_code(a->engine, a->id, &ctl, &a->code, &ignored) == 0;
    eventfd_write(a->done_fd, 1);
    return NULL;
}

void dmpi_await_start(struct dmpi_await *a, struct dmpi_engine *engine, const char *id)
{
    *a = (struct dmpi_await){.engine = engine, .id = id};
    a->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    a->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    a->runs = a->stop_fd >= 0 && a->done_fd >= 0 &&
              pthread_create(&a->thread, NULL, wait_for_code, a) == 0;
    if (a->runs)
        return;
    if (a->stop_fd >= 0)
        close(a->stop_fd);
    if (a->done_fd >= 0)
        close(a->done_fd);
}

bool dmpi_await_end(struct dmpi_await *a, int64_t ms, int *code)
{
    if (!a->runs)
        return false;
    struct dmpi_err ignored;
    struct dmpi_ctl ctl = dmpi_ctl_within(NULL, ms);
    struct pollfd done = {.fd = a->done_fd, .events = POLLIN};
    if (dmpi_ctl_poll(&ctl, &done, 1, &ignored) < 0)
        eventfd_write(a->stop_fd, 1);
    pthread_join(a->thread, NULL);
    close(a->stop_fd);
    close(a->done_fd);
    a->runs = false;
    if (a->known)
        *code = a->code;
    return a->known;
}
