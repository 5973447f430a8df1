// SPDX-License-Identifier: MIT
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

// Reads to the end, so that the program is not stopped by a full pipe; keeps what there is room for.
static void drain(int fd, char *out, size_t room)
{
    char rest[4096];
    size_t len = 0;
    for (;;) {
        bool full = len + 1 >= room;
        ssize_t n = read(fd, full ? rest : out + len, full ? sizeof rest : room - 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += full ? 0 : (size_t)n;
    }
    out[len] = '\0';
}

static int start(pid_t *pid, int to, const char *const *argv)
{
    posix_spawn_file_actions_t actions;
    char *words[16];
    size_t n = 0;
    for (; argv[n] && n + 1 < sizeof words / sizeof words[0]; n++)
        memcpy(&words[n], &argv[n],
               sizeof words[n]); // spawn takes them without const, and reads only
    words[n] = NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int rc = posix_spawnp(pid, argv[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

bool fab_command(char *out, size_t room, const char *const *argv)
{
    int ends[2], status = 0;
    pid_t pid;
    out[0] = '\0';
    if (pipe2(ends, O_CLOEXEC))
        return false;
    int failed = start(&pid, ends[1], argv);
    close(ends[1]);
    if (!failed)
        drain(ends[0], out, room);
    close(ends[0]);
    while (!failed && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return !failed && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void fab_line_after(char *out, size_t room, const char *text, const char *label)
{
    out[0] = '\0';
    while (text && *text) {
        const char *line = text + strspn(text, " \t#");
        const char *end = strchr(line, '\n');
        size_t len = strlen(label);
        if (strncmp(line, label, len) == 0) {
            const char *value = line + len + strspn(line + len, " \t");
            size_t n = end ? (size_t)(end - value) : strlen(value);
            while (n > 0 && strchr(" \t\r", value[n - 1]))
                n--;
            snprintf(out, room, "%.*s", (int)n, value);
            return;
        }
        text = end ? end + 1 : NULL;
    }
}
