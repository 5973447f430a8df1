// SPDX-License-Identifier: MIT
// Quoting against a real shell: one sh reads lines and gives back the words that it saw. The input is a list of
// words with a NUL after each.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/shquote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static FILE *to_shell, *from_shell;
static pid_t shell;

static void check(bool ok)
{
    if (!ok)
        abort();
}

// Should the quoting be wrong, the shell runs what a fuzzer made up: as nobody, without PATH, where no file can be
// made.
static void become_shell(const int in[2], const int out[2])
{
    static const char *const argv[] = {"sh", NULL};
    static const char *const env[] = {"PATH=/nowhere", "LC_ALL=C.UTF-8", NULL};
    if (dup2(in[0], STDIN_FILENO) < 0 || dup2(out[1], STDOUT_FILENO) < 0 ||
        chdir("/proc/self") != 0)
        _exit(1);
    close(in[1]);
    close(out[0]);
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(1);
    execve("/bin/sh", (char *const *)argv, (char *const *)env);
    _exit(1);
}

// libFuzzer looks at its clock on every SIGALRM, with a handler that interrupts reads: to stdio, the end of the shell.
static void let_alarms_restart_reads(void)
{
    struct sigaction action;
    check(sigaction(SIGALRM, NULL, &action) == 0);
    action.sa_flags |= SA_RESTART;
    check(sigaction(SIGALRM, &action, NULL) == 0);
}

static void start(void)
{
    int in[2];
    int out[2];
    let_alarms_restart_reads();
    check(pipe(in) == 0 && pipe(out) == 0);
    shell = fork();
    check(shell >= 0);
    if (shell == 0)
        become_shell(in, out);
    close(in[0]);
    close(out[1]);
    to_shell = fdopen(in[1], "w");
    from_shell = fdopen(out[0], "r");
    check(to_shell && from_shell);
}

static void disappointed(int c)
{
    int status = 0;
    if (c == EOF && waitpid(shell, &status, 0) == shell)
        fprintf(stderr, "the shell has ended, status 0x%x\n", (unsigned)status);
    else
        fprintf(stderr, "the shell saw byte %d\n", c);
    abort();
}

static void expect(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int c = getc(from_shell);
        if (c != (unsigned char)bytes[i])
            disappointed(c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv words = DMPI_STRV_INIT;
    dmpi_autofree char *text = dmpi_xmemdup(data, size);
    for (size_t at = 0; at < size; at += strlen(text + at) + 1)
        dmpi_strv_add(&words, text + at);
    if (words.n == 0)
        return 0;
    if (!to_shell)
        start();
    dmpi_autofree char *line = dmpi_shquote_argv(&words);
    fprintf(to_shell, "printf '%%s\\0' %s\nprintf '%%s\\0' 'end of %zu'\n", line, words.n);
    check(fflush(to_shell) == 0);
    for (size_t i = 0; i < words.n; i++)
        expect(words.v[i], strlen(words.v[i]) + 1);
    dmpi_autofree char *end = dmpi_xasprintf("end of %zu", words.n);
    expect(end, strlen(end) + 1);
    return 0;
}
