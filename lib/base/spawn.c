// SPDX-License-Identifier: MIT
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAP_MAX_MS 20
#define OUTPUT_GRACE_MS 1000
#define NOT_RUN 127

extern char **environ;

// The three must not be 0 to 2 themselves, or setting one would overwrite another.
static int lift(int *fds, int *lifted)
{
    for (int i = 0; i < 3; i++) {
        lifted[i] = -1;
        if (fds[i] < 0 || fds[i] > 2)
            continue;
        lifted[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        if (lifted[i] < 0)
            return errno;
        fds[i] = lifted[i];
    }
    return 0;
}

static void set_files(posix_spawn_file_actions_t *files, const int *fds)
{
    posix_spawn_file_actions_init(files);
    for (int i = 0; i < 3; i++) {
        if (fds[i] >= 0)
            posix_spawn_file_actions_adddup2(files, fds[i], i);
        else if (fds[i] == DMPI_SPAWN_NULL)
            posix_spawn_file_actions_addopen(files, i, "/dev/null", O_RDWR, 0);
    }
}

static void set_signals(posix_spawnattr_t *attr, bool apart)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(attr);
    posix_spawnattr_setsigmask(attr, &none);
    posix_spawnattr_setsigdefault(attr, &all);
    posix_spawnattr_setflags(attr, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                           (apart ? POSIX_SPAWN_SETSID : 0)));
}

static int start(pid_t *pid, char **argv, const int *fds, bool apart)
{
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t files;
    // Some implementations learn of a failing exec only as an exit code.
    if (strchr(argv[0], '/') && access(argv[0], X_OK) != 0)
        return errno;
    set_files(&files, fds);
    set_signals(&attr, apart);
    int why = posix_spawnp(pid, argv[0], &files, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return why;
}

pid_t dmpi_spawn(const struct dmpi_strv *argv, const struct dmpi_spawn *how, struct dmpi_err *err)
{
    pid_t pid = -1;
    int fds[3] = {how->in, how->out, how->err}, lifted[3] = {-1, -1, -1};
    int why = lift(fds, lifted);
    if (why == 0)
        why = start(&pid, argv->v, fds, how->apart);
    for (int i = 0; i < 3; i++) {
        if (lifted[i] >= 0)
            close(lifted[i]);
    }
    return why == 0 ? pid : dmpi_err_sys(err, why, "%s", argv->v[0]);
}

int dmpi_spawn_wait(pid_t pid, const struct dmpi_ctl *ctl, int *status, struct dmpi_err *err)
{
    int64_t nap = 1;
    for (;;) {
        pid_t ended = waitpid(pid, status, WNOHANG);
        if (ended == pid)
            return 0;
        if (ended < 0 && errno != EINTR)
            return dmpi_err_sys(err, errno, "waiting for process %d", (int)pid);
        if (dmpi_ctl_sleep(ctl, nap, err) != 0)
            return -1;
        nap = nap * 2 < NAP_MAX_MS ? nap * 2 : NAP_MAX_MS;
    }
}

int dmpi_spawn_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int dmpi_spawn_end(pid_t pid, const struct dmpi_spawn *how, int64_t grace_ms)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    int status = 0;
    if (pid <= 0)
        return 0;
    struct dmpi_ctl soon = dmpi_ctl_within(NULL, grace_ms);
    pid_t whom = how->apart ? -pid : pid;
    kill(whom, SIGTERM);
    if (dmpi_spawn_wait(pid, &soon, &status, &err) == 0)
        return status;
    if (err.code != DMPI_ETIMEOUT)
        return 0;
    kill(whom, SIGKILL);
    return dmpi_spawn_wait(pid, NULL, &status, &err) == 0 ? status : 0;
}

static int read_all(int fd, const struct dmpi_ctl *ctl, struct dmpi_buf *out, struct dmpi_err *err)
{
    char part[4096];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (;;) {
        if (dmpi_ctl_poll(ctl, &p, 1, err) < 0)
            return -1;
        ssize_t got = read(fd, part, sizeof part);
        if (got < 0 && errno != EINTR)
            return dmpi_err_sys(err, errno, "read");
        if (got == 0)
            return 0;
        if (got > 0)
            dmpi_buf_add(out, part, (size_t)got);
    }
}

int dmpi_spawn_output(const struct dmpi_strv *argv, const struct dmpi_ctl *ctl,
                      struct dmpi_buf *out, int *code, struct dmpi_err *err)
{
    int fds[2], status = 0;
    if (pipe2(fds, O_CLOEXEC) != 0)
        return dmpi_err_sys(err, errno, "pipe");
    const struct dmpi_spawn how = {
        .in = DMPI_SPAWN_NULL, .out = fds[1], .err = DMPI_SPAWN_NULL, .apart = true};
    pid_t pid = dmpi_spawn(argv, &how, err);
    close(fds[1]);
    int result = pid < 0 ? -1 : read_all(fds[0], ctl, out, err);
    close(fds[0]);
    if (result == 0)
        result = dmpi_spawn_wait(pid, ctl, &status, err);
    if (result != 0) {
        dmpi_spawn_end(pid, &how, OUTPUT_GRACE_MS);
        return -1;
    }
    *code = dmpi_spawn_code(status);
    if (*code == NOT_RUN)
        return dmpi_err_sys(err, ENOENT, "%s", argv->v[0]);
    return 0;
}
