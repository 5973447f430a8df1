// SPDX-License-Identifier: MIT
#include "keys.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sig.h"
#include "term.h"

enum { CHUNK = 4096, BACKGROUND_MS = 200 };

static bool parse_one(char *out, const char *word, size_t len)
{
    static const char prefix[] = "ctrl-";
    if (len == 1) {
        *out = word[0];
        return word[0] > ' ' && word[0] < 127;
    }
    if (len != sizeof prefix || strncmp(word, prefix, len - 1) != 0)
        return false;
    char c = word[len - 1];
    if (c >= 'a' && c <= 'z')
        c = (char)(c - 'a' + 'A');
    if (c < '@' || c > '_')
        return false;
    *out = (char)(c - '@');
    return true;
}

int dmpi_keys_parse(struct dmpi_keys *out, const char *text, struct dmpi_err *err)
{
    *out = (struct dmpi_keys){0};
    for (const char *p = text; *text; p++) {
        size_t len = strcspn(p, ",");
        if (out->n == DMPI_KEYS_MAX || !parse_one(&out->v[out->n], p, len))
            return dmpi_err_set(err, DMPI_EINVAL,
                                "--detach-keys %s: write it like ctrl-p,ctrl-q or a,b,c", text);
        out->n++;
        p += len;
        if (!*p)
            break;
    }
    return 0;
}

bool dmpi_keys_pass(struct dmpi_keys *keys, char *out, size_t *out_len, const char *typed, size_t n)
{
    *out_len = 0;
    for (size_t i = 0; i < n; i++) {
        if (keys->typed > 0 && typed[i] != keys->v[keys->typed]) { /* it was not meant */
            memcpy(out + *out_len, keys->v, keys->typed);
            *out_len += keys->typed;
            keys->typed = 0;
        }
        if (keys->n > 0 && typed[i] == keys->v[keys->typed])
            keys->typed++;
        else
            out[(*out_len)++] = typed[i];
        if (keys->n > 0 && keys->typed == keys->n)
            return true;
    }
    return false;
}

/* The process has one standard input, so this is one, too. */
static struct {
    struct dmpi_keys keys;
    int input_fd;
} watcher;

static void end_input(void)
{
    if (watcher.input_fd >= 0)
        close(watcher.input_fd);
    watcher.input_fd = -1;
}

static void pass_on(const char *typed, size_t n)
{
    char out[CHUNK + DMPI_KEYS_MAX];
    size_t len;
    struct dmpi_err ignored;
    bool leave = dmpi_keys_pass(&watcher.keys, out, &len, typed, n);
    if (watcher.input_fd >= 0 && dmpi_io_write_all(watcher.input_fd, out, len, &ignored) < 0)
        end_input();
    if (leave)
        eventfd_write(dmpi_sig_leave_fd(), 1);
}

/* In the background a read would stop us: the terminal is another's then. */
static void *watch(void *unused)
{
    char typed[CHUNK];
    (void)unused;
    for (;;) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&input, 1, -1) < 0)
            continue;
        if (!dmpi_term_is_ours()) {
            nanosleep(&(struct timespec){.tv_nsec = BACKGROUND_MS * 1000000L}, NULL);
            continue;
        }
        ssize_t n = read(STDIN_FILENO, typed, sizeof typed);
        if (n > 0)
            pass_on(typed, (size_t)n);
        else
            end_input(); /* Ctrl-D; keys may still come */
        if (n < 0 || (input.revents & (POLLHUP | POLLERR)))
            return NULL; /* the terminal is gone */
    }
}

int dmpi_keys_watch(struct dmpi_watch *out, const char *keys, bool input, struct dmpi_err *err)
{
    int pipe_fds[2] = {-1, -1};
    pthread_t thread;
    *out =
        (struct dmpi_watch){.leave_fd = dmpi_sig_leave_fd(), .stdin_fd = input ? STDIN_FILENO : -1};
    if (dmpi_keys_parse(&watcher.keys, keys, err) < 0)
        return -1;
    if (watcher.keys.n == 0 || !isatty(STDIN_FILENO) || !dmpi_term_is_ours())
        return 0;
    if (input && pipe2(pipe_fds, O_CLOEXEC) < 0)
        return 0; /* the keys are a convenience */
    watcher.input_fd = pipe_fds[1];
    if (pthread_create(&thread, NULL, watch, NULL) != 0) {
        end_input();
        return 0;
    }
    pthread_detach(thread);
    dmpi_term_key(watcher.keys.v[watcher.keys.n - 1], input);
    out->stdin_fd = pipe_fds[0];
    out->watched = true;
    return 0;
}
