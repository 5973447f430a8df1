// SPDX-License-Identifier: MIT
#include "transport/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* The three must not be 0 to 2 themselves, or setting one would overwrite another. */
static void lift(int *fds, int *lifted)
{
    for (int i = 0; i < 3; i++) {
        lifted[i] = -1;
        if (fds[i] >= 0 && fds[i] < 3) {
            lifted[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
            fds[i] = lifted[i];
        }
    }
}

static int spawn(pid_t *pid, char **argv, const int *fds)
{
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t files;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    posix_spawn_file_actions_init(&files);
    for (int i = 0; i < 3; i++) {
        if (fds[i] >= 0)
            posix_spawn_file_actions_adddup2(&files, fds[i], i);
        else
            posix_spawn_file_actions_addopen(&files, i, "/dev/null", O_RDWR, 0);
    }
    int why = posix_spawnp(pid, argv[0], &files, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return why;
}

pid_t dmpi_helper_start(const struct dmpi_strv *argv, int in, int out, int err_fd,
                        struct dmpi_err *err)
{
    pid_t pid = -1;
    int fds[3] = {in, out, err_fd}, lifted[3];
    lift(fds, lifted);
    int why = spawn(&pid, argv->v, fds);
    for (int i = 0; i < 3; i++) {
        if (lifted[i] >= 0)
            close(lifted[i]);
    }
    return why == 0 ? pid : dmpi_err_sys(err, why, "%s", argv->v[0]);
}

void dmpi_helper_end(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(-pid, SIGTERM); /* it leads a session of its own */
    for (int i = 0; i < 100; i++) {
        pid_t ended = waitpid(pid, NULL, WNOHANG);
        if (ended == pid || (ended < 0 && errno != EINTR))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    kill(-pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
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

int dmpi_helper_output(const struct dmpi_strv *argv, const struct dmpi_ctl *ctl,
                       struct dmpi_buf *out, int *code, struct dmpi_err *err)
{
    int fds[2], status = 0;
    if (pipe2(fds, O_CLOEXEC) != 0)
        return dmpi_err_sys(err, errno, "pipe");
    pid_t pid = dmpi_helper_start(argv, -1, fds[1], -1, err);
    close(fds[1]);
    int result = pid < 0 ? -1 : read_all(fds[0], ctl, out, err);
    close(fds[0]);
    if (result != 0) {
        dmpi_helper_end(pid);
        return -1;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    /* POSIX lets posix_spawn tell a program that cannot be run by this code alone. */
    if (*code == 127)
        return dmpi_err_sys(err, ENOENT, "%s", argv->v[0]);
    return 0;
}
