// SPDX-License-Identifier: MIT
#include "transport/ssh_program.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/text.h"
#include "transport/nameless.h"

#define START_MS 30000
#define END_MS 1000
#define WORDS_MAX 2000

struct dmpi_ssh_program {
    struct dmpi_strv argv;
    struct dmpi_nameless socket;
    char *name;
    pthread_t thread;
    bool has_thread;
    sem_t started;
    int stop[2];
    int leash[2]; /* the program's guard reads it: its end, by us or by our death, ends both */

    pthread_mutex_t lock; /* of what follows */
    pid_t pid;
    bool ended;
    struct dmpi_err failure; /* of starting it */
    struct dmpi_buf words;   /* the end of what it wrote to stderr */
};

static void hear(struct dmpi_ssh_program *p, const char *text, size_t n)
{
    pthread_mutex_lock(&p->lock);
    if (n > WORDS_MAX)
        n = WORDS_MAX;
    if (p->words.len + n > WORDS_MAX)
        dmpi_buf_clear(&p->words);
    dmpi_buf_add(&p->words, text, n);
    pthread_mutex_unlock(&p->lock);
}

/* Until it closes its stderr or we are to stop. */
static void listen_to(struct dmpi_ssh_program *p, int fd)
{
    char text[512];
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = p->stop[0], .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        if (fds[1].revents)
            return;
        ssize_t got = read(fd, text, sizeof text);
        if (got == 0 || (got < 0 && errno != EINTR))
            return;
        if (got > 0)
            hear(p, text, (size_t)got);
    }
}

/* Starts the program and reads what it says until it ends or is to be stopped. */
static void *keeper(void *arg)
{
    struct dmpi_ssh_program *p = arg;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_spawn how = {.in = p->leash[0], .out = DMPI_SPAWN_NULL, .apart = true};
    int fds[2] = {-1, -1};
    pid_t pid = -1;
    if (pipe2(fds, O_CLOEXEC) != 0) {
        dmpi_err_sys(&err, errno, "pipe");
    } else {
        how.err = fds[1];
        pid = dmpi_spawn(&p->argv, &how, &err);
    }
    close(fds[1]);
    pthread_mutex_lock(&p->lock);
    p->pid = pid;
    p->failure = err;
    p->ended = pid < 0;
    pthread_mutex_unlock(&p->lock);
    sem_post(&p->started);
    if (pid > 0)
        listen_to(p, fds[0]);
    dmpi_spawn_end(pid, &how, END_MS);
    pthread_mutex_lock(&p->lock);
    p->ended = true;
    pthread_mutex_unlock(&p->lock);
    close(fds[0]);
    return NULL;
}

const char *dmpi_ssh_program_path(const struct dmpi_ssh_program *p)
{
    return p->socket.path;
}

bool dmpi_ssh_program_alive(struct dmpi_ssh_program *p)
{
    pthread_mutex_lock(&p->lock);
    bool alive = !p->ended;
    pthread_mutex_unlock(&p->lock);
    return alive;
}

int dmpi_ssh_program_why(struct dmpi_ssh_program *p, struct dmpi_err *err)
{
    pthread_mutex_lock(&p->lock);
    dmpi_autofree char *words = dmpi_xstrdup(dmpi_buf_str(&p->words));
    struct dmpi_err failure = p->failure;
    pthread_mutex_unlock(&p->lock);
    size_t n = strlen(words);
    while (n > 0 && strchr("\r\n ", words[n - 1]))
        words[--n] = '\0';
    for (char *c = words; *c; c++) {
        if (*c == '\r')
            *c = ' ';
        else if (*c == '\n')
            *c = ';';
    }
    if (failure.code != DMPI_OK) {
        *err = failure;
        return -1;
    }
    if (n == 0)
        return 0;
    dmpi_autofree char *safe = dmpi_text_print_safe(words);
    return dmpi_err_set(err, DMPI_EUNREACHABLE, "%s: the ssh program says: %s", p->name, safe);
}

static bool takes_connections(const char *path)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = fd >= 0 && connect(fd, (struct sockaddr *)&sun, sizeof sun) == 0;
    if (fd >= 0)
        close(fd);
    return connected;
}

/* It makes the socket once it is authenticated; nothing else tells that it did. */
static int wait_ready(struct dmpi_ssh_program *p, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct dmpi_ctl soon = dmpi_ctl_within(ctl, START_MS);
    while (!takes_connections(p->socket.path)) {
        if (!dmpi_ssh_program_alive(p))
            return dmpi_ssh_program_why(p, err) != 0
                       ? -1
                       : dmpi_err_set(err, DMPI_EUNREACHABLE,
                                      "%s: the ssh program ended without a word", p->name);
        if (dmpi_ctl_sleep(&soon, 10, err) != 0)
            return dmpi_err_wrap(err, "%s: waiting for the ssh program", p->name);
    }
    return 0;
}

static void compose(struct dmpi_ssh_program *p, const struct dmpi_ssh_config *c,
                    const struct dmpi_endpoint *ep)
{
    /*
     * Only ssh itself keeps stderr open, so that its end is seen there. $0 is the socket: the guard
     * outlives us when we are killed before it is there, and takes it away.
     */
    static const char guard[] = "\"$@\" </dev/null & exec 2>/dev/null; read -r end; kill $!; wait; "
                                "rm -f \"$0\"; rmdir \"${0%/*}\"";
    static const char *const options[] = {
        "-N",
        "-T",
        "-oStrictHostKeyChecking=yes",
        "-oExitOnForwardFailure=yes",
        "-oControlMaster=no",
        "-oControlPath=none",
        "-oPermitLocalCommand=no",
        "-oRemoteCommand=none",
        "-oConnectTimeout=10",
        "-oServerAliveInterval=5",
        "-oServerAliveCountMax=3",
        "-oLogLevel=ERROR",
        "-oStreamLocalBindMask=0177",
    };
    dmpi_strv_add(&p->argv, "/bin/sh");
    dmpi_strv_add(&p->argv, "-c");
    dmpi_strv_add(&p->argv, guard);
    dmpi_strv_add(&p->argv, p->socket.path);
    dmpi_ssh_config_argv(&p->argv, c, ep);
    dmpi_strv_add_array(&p->argv, options, DMPI_ARRAY_LEN(options));
    dmpi_strv_addf(&p->argv, "-L%s:%s", p->socket.path, ep->path ? ep->path : DMPI_DOCKER_SOCK);
    dmpi_strv_add(&p->argv, "--");
    dmpi_strv_add(&p->argv, ep->host);
}

static struct dmpi_ssh_program *program_new(const struct dmpi_ssh_config *c)
{
    struct dmpi_ssh_program *p = dmpi_xcalloc(1, sizeof *p);
    p->socket = (struct dmpi_nameless)DMPI_NAMELESS_INIT;
    p->name = dmpi_xasprintf("%s@%s", c->user ? c->user : "", c->host);
    p->words = (struct dmpi_buf)DMPI_BUF_INIT(WORDS_MAX);
    p->stop[0] = p->stop[1] = p->leash[0] = p->leash[1] = -1;
    sem_init(&p->started, 0, 0);
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

static int start(struct dmpi_ssh_program *p, const struct dmpi_ssh_config *c,
                 const struct dmpi_endpoint *ep, struct dmpi_err *err)
{
    if (dmpi_nameless_make(&p->socket, err) != 0)
        return -1;
    if (pipe2(p->stop, O_CLOEXEC) != 0 || pipe2(p->leash, O_CLOEXEC) != 0)
        return dmpi_err_sys(err, errno, "pipe");
    compose(p, c, ep);
    int why = pthread_create(&p->thread, NULL, keeper, p);
    if (why != 0)
        return dmpi_err_sys(err, why, "thread");
    p->has_thread = true;
    while (sem_wait(&p->started) != 0)
        ;
    return 0;
}

int dmpi_ssh_program_start(struct dmpi_ssh_program **out, const struct dmpi_ssh_config *c,
                           const struct dmpi_endpoint *ep, const struct dmpi_ctl *ctl,
                           struct dmpi_err *err)
{
    struct dmpi_ssh_program *p = program_new(c);
    if (start(p, c, ep, err) != 0 || wait_ready(p, ctl, err) != 0) {
        dmpi_ssh_program_stop(p);
        return -1;
    }
    dmpi_nameless_vanish(&p->socket);
    *out = p;
    return 0;
}

void dmpi_ssh_program_stop(struct dmpi_ssh_program *p)
{
    if (!p)
        return;
    if (p->has_thread) {
        while (write(p->stop[1], "x", 1) < 0 && errno == EINTR)
            ;
        pthread_join(p->thread, NULL);
    }
    dmpi_nameless_end(&p->socket);
    int fds[] = {p->stop[0], p->stop[1], p->leash[0], p->leash[1]};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(fds); i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    dmpi_strv_free(&p->argv);
    dmpi_buf_free(&p->words);
    sem_destroy(&p->started);
    pthread_mutex_destroy(&p->lock);
    free(p->name);
    free(p);
}
