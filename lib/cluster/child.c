// SPDX-License-Identifier: MIT
#include "cluster/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define LINE_MAX_LEN 4096
#define GRACE_MS 10000

extern char **environ;

static void spawn_setup(posix_spawnattr_t *attr, posix_spawn_file_actions_t *files, int out,
                        int err)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(attr);
    posix_spawnattr_setsigmask(attr, &none);
    posix_spawnattr_setsigdefault(attr, &all);
    posix_spawnattr_setpgroup(attr, 0);
    posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                       POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_init(files);
    posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(files, out, 1);
    posix_spawn_file_actions_adddup2(files, err, 2);
}

static int spawn(pid_t *pid, char **argv, int out, int err_fd)
{
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t files;
    spawn_setup(&attr, &files, out, err_fd);
    int failed = posix_spawn(pid, argv[0], &files, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return failed;
}

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
    // Not left to posix_spawn alone: some implementations learn of a failing exec only as status 127.
    if (access(argv->v[0], X_OK) != 0)
        return dmpi_err_sys(err, errno, "%s", argv->v[0]);
    if (pipe2(o, O_CLOEXEC) != 0)
        return dmpi_err_sys(err, errno, "pipe");
    if (pipe2(e, O_CLOEXEC) != 0) {
        close(o[0]);
        close(o[1]);
        return dmpi_err_sys(err, errno, "pipe");
    }
    out->out = o[0];
    out->err = e[0];
    int failed = spawn(&out->pid, argv->v, o[1], e[1]);
    close(o[1]);
    close(e[1]);
    if (!failed)
        return 0;
    out->pid = 0;
    dmpi_child_end(out);
    return dmpi_err_sys(err, failed, "%s", argv->v[0]);
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
    while (waitpid(child->pid, &status, 0) < 0) {
        if (errno != EINTR)
            return dmpi_err_sys(err, errno, "waiting for %s", child->name);
    }
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

// Whether the child is gone; it is then reaped.
static bool gone(struct dmpi_child *child)
{
    pid_t pid = waitpid(child->pid, NULL, WNOHANG);
    return pid == child->pid || (pid < 0 && errno != EINTR);
}

void dmpi_child_end(struct dmpi_child *child)
{
    close_fd(&child->out);
    close_fd(&child->err);
    if (child->pid > 0 && !gone(child)) {
        struct dmpi_err ignored = DMPI_ERR_INIT;
        int64_t deadline = dmpi_now_ms() + GRACE_MS;
        kill(-child->pid, SIGTERM);
        while (!gone(child)) {
            if (dmpi_now_ms() > deadline)
                kill(-child->pid, SIGKILL);
            dmpi_ctl_sleep(NULL, 20, &ignored);
        }
    }
    child->pid = 0;
    dmpi_buf_free(&child->line);
    free(child->last);
    child->last = NULL;
}
