// SPDX-License-Identifier: MIT
#include "cluster/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/spawn.h"

#define LINE_MAX_LEN 4096
#define GRACE_MS 10000

static const struct dmpi_spawn apart = {.apart = true};

int dmpi_child_start(struct dmpi_child *out, const struct dmpi_strv *argv,
                     const struct dmpi_ctl *ctl, dmpi_child_line_fn *tell, void *arg,
                     struct dmpi_err *err)
{
    int o[2], e[2];
    *out = (struct dmpi_child){.name = argv->v[0],
                               .out = -1,
                               .err = -1,
                               .line = DMPI_BUF_INIT(LINE_MAX_LEN),
                               .ctl = ctl,
                               .tell = tell,
                               .arg = arg};
    if (pipe2(o, O_CLOEXEC) != 0)
        return dmpi_err_sys(err, errno, "pipe");
    if (pipe2(e, O_CLOEXEC) != 0) {
        close(o[0]);
        close(o[1]);
        return dmpi_err_sys(err, errno, "pipe");
    }
    out->out = o[0];
    out->err = e[0];
    const struct dmpi_spawn how = {.in = DMPI_SPAWN_NULL, .out = o[1], .err = e[1], .apart = true};
    pid_t pid = dmpi_spawn(argv, &how, err);
    close(o[1]);
    close(e[1]);
    if (pid > 0) {
        out->pid = pid;
        return 0;
    }
    dmpi_child_end(out);
    return -1;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void end_line(struct dmpi_child *child)
{
    const char *line = dmpi_buf_str(&child->line);
    if (*line) {
        free(child->last);
        child->last = dmpi_xstrdup(line);
        if (child->tell)
            child->tell(child->arg, line);
    }
    dmpi_buf_clear(&child->line);
}

static void read_stderr(struct dmpi_child *child)
{
    char data[4096];
    ssize_t n = read(child->err, data, sizeof data);
    for (ssize_t i = 0; i < n; i++) {
        if (data[i] == '\n' || data[i] == '\r')
            end_line(child);
        else
            dmpi_buf_addc(&child->line, data[i]);
    }
    if (n == 0) {
        end_line(child);
        close_fd(&child->err);
    }
}

// Waits until standard output has something; standard error is read meanwhile.
static int wait_for_output(struct dmpi_child *child, struct dmpi_err *err)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = child->out, .events = POLLIN},
                               {.fd = child->err, .events = POLLIN}};
        if (dmpi_ctl_poll(child->ctl, fds, 2, err) < 0)
            return -1;
        if (fds[1].revents)
            read_stderr(child);
        if (fds[0].revents)
            return 0;
    }
}

// After the end of standard output: the rest of standard error, and the exit status.
static int reap(struct dmpi_child *child, struct dmpi_err *err)
{
    int status;
    while (child->err >= 0) {
        struct pollfd fd = {.fd = child->err, .events = POLLIN};
        if (dmpi_ctl_poll(child->ctl, &fd, 1, err) < 0)
            return -1;
        read_stderr(child);
    }
    if (dmpi_spawn_wait(child->pid, child->ctl, &status, err))
        return dmpi_err_wrap(err, "%s", child->name);
    child->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (child->last)
        return dmpi_err_set(err, DMPI_ESYS, "%s", child->last);
    return dmpi_err_set(err, DMPI_ESYS, "%s ended with %s %d", child->name,
                        WIFSIGNALED(status) ? "signal" : "status",
                        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static ssize_t child_read(void *arg, void *buf, size_t n, struct dmpi_err *err)
{
    struct dmpi_child *child = arg;
    if (child->out < 0)
        return 0;
    if (wait_for_output(child, err))
        return -1;
    ssize_t got = read(child->out, buf, n);
    if (got < 0)
        return dmpi_err_sys(err, errno, "reading what %s writes", child->name);
    if (got > 0)
        return got;
    close_fd(&child->out);
    return reap(child, err);
}

struct dmpi_source dmpi_child_source(struct dmpi_child *child)
{
    return (struct dmpi_source){child_read, child};
}

void dmpi_child_end(struct dmpi_child *child)
{
    close_fd(&child->out);
    close_fd(&child->err);
    dmpi_spawn_end(child->pid, &apart, GRACE_MS);
    child->pid = 0;
    dmpi_buf_free(&child->line);
    free(child->last);
    child->last = NULL;
}
