// SPDX-License-Identifier: MIT
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "engine/exec.h"
#include "out.h"
#include "state.h"
#include "verbs.h"

enum { CONNECTIONS_MAX = 256, NOTHING_LISTENS = 111, NO_RELAY = 112 };

/*
 * What runs in the container for each connection: its standard input goes to the port $1, on the
 * loopback or else on the address $2, and back. One process a direction, so that neither can
 * block the other. The end of our side is passed on; the end of the other side ends it.
 */
static const char relay[] =
    "if command -v perl >/dev/null; then exec perl -e '\n"
    "use IO::Socket::IP; my $s;\n"
    "for my $h (\"127.0.0.1\", $ARGV[1]) {\n"
    "  $s ||= IO::Socket::IP->new(PeerHost => $h, PeerPort => $ARGV[0], Type => SOCK_STREAM) if $h "
    "}\n"
    "$s or exit 111;\n"
    "sub copy { my ($from, $to) = @_; my $b;\n"
    "  while (my $got = sysread $from, $b, 65536) {\n"
    "    for (my $n = 0; $n < $got;) { my $w = syswrite $to, $b, $got - $n, $n;\n"
    "      defined $w or return; $n += $w } } }\n"
    "my $pid = fork; $SIG{PIPE} = \"IGNORE\";\n"
    "if (!$pid) { copy(*STDIN, $s); $s->shutdown(1); exit }\n"
    "copy($s, *STDOUT); kill \"KILL\", $pid' \"$@\"\n"
    "elif command -v python3 >/dev/null; then exec python3 -c '\n"
    "import os, socket, sys, threading\n"
    "s = None\n"
    "for h in [a for a in (\"127.0.0.1\", sys.argv[2]) if a]:\n"
    "    try: s = s or socket.create_connection((h, sys.argv[1]))\n"
    "    except OSError: pass\n"
    "if not s: os._exit(111)\n"
    "def up():\n"
    "    while True:\n"
    "        b = os.read(0, 65536)\n"
    "        if not b: break\n"
    "        s.sendall(b)\n"
    "    s.shutdown(1)\n"
    "threading.Thread(target=up, daemon=True).start()\n"
    "while True:\n"
    "    b = s.recv(65536)\n"
    "    if not b: os._exit(0)\n"
    "    while b: b = b[os.write(1, b):]' \"$@\"\n"
    "fi\n"
    "exit 112\n";

struct forward {
    struct dmpi_engine *engine;
    const struct dmpi_member *member;
    const char *name;
    int port, local_port;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t ended;
    int active;
    int fds[CONNECTIONS_MAX]; /* of the connections; -1: a free place */
};

struct connection {
    struct forward *forward;
    int place, fd;
};

static int run_relay(struct connection *c, int *code, struct dmpi_err *err)
{
    const struct forward *f = c->forward;
    const char *const words[] = {"/bin/sh", "-c", relay, "sh"};
    struct dmpi_strv argv DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    dmpi_strv_add_array(&argv, words, DMPI_ARRAY_LEN(words));
    dmpi_strv_addf(&argv, "%d", f->port);
    dmpi_strv_add(&argv, f->member->addr);
    const struct dmpi_exec_opts opts = {.argv = &argv, .stdin_open = true};
    struct dmpi_pump pump = DMPI_PUMP_INIT;
    pump.in_fd = c->fd;
    pump.streams.out = dmpi_sink_to_fd(&c->fd);
    return dmpi_exec_stream(f->engine, dmpi_app_ctl(), f->member->id, &opts, &pump, code, err);
}

static void *serve(void *arg)
{
    struct connection *c = arg;
    struct forward *f = c->forward;
    struct dmpi_err err = DMPI_ERR_INIT;
    int code = 0;
    /* A client that goes away while it is being answered is no news. */
    if (run_relay(c, &code, &err) < 0)
        code = err.code == DMPI_ESYS || err.code == DMPI_ECANCELED ? 0 : -1;
    if (code < 0)
        dmpi_out_note("%s: %s", f->name, err.msg);
    else if (code == NOTHING_LISTENS)
        dmpi_out_note("%s: nothing listens on port %d there", f->name, f->port);
    else if (code == NO_RELAY)
        dmpi_out_note(
            "%s: its image has neither perl nor python3, one of which must carry the bytes",
            f->name);
    pthread_mutex_lock(&f->lock);
    f->fds[c->place] = -1;
    close(c->fd);
    f->active--;
    pthread_cond_signal(&f->ended);
    pthread_mutex_unlock(&f->lock);
    free(c);
    return NULL;
}

static void begin(struct forward *f, int fd)
{
    pthread_t thread;
    struct connection *c = dmpi_xcalloc(1, sizeof *c);
    pthread_mutex_lock(&f->lock);
    int place = 0;
    while (place < CONNECTIONS_MAX && f->fds[place] >= 0)
        place++;
    *c = (struct connection){f, place, fd};
    bool begun = place < CONNECTIONS_MAX && pthread_create(&thread, NULL, serve, c) == 0;
    if (begun) {
        pthread_detach(thread);
        f->fds[place] = fd;
        f->active++;
    }
    pthread_mutex_unlock(&f->lock);
    if (begun)
        return;
    dmpi_out_note("too many connections: one is refused");
    close(fd);
    free(c);
}

/* Ends what is under way and waits for it: the engine is about to be closed. */
static void end_all(struct forward *f)
{
    pthread_mutex_lock(&f->lock);
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        if (f->fds[i] >= 0)
            shutdown(f->fds[i], SHUT_RDWR);
    while (f->active)
        pthread_cond_wait(&f->ended, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

static int open_port(struct forward *f, struct dmpi_err *err)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)f->local_port),
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof addr;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return dmpi_err_sys(err, errno, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&addr, len) == 0 && listen(fd, SOMAXCONN) == 0 &&
        getsockname(fd, (struct sockaddr *)&addr, &len) == 0) {
        f->local_port = ntohs(addr.sin_port);
        return fd;
    }
    int cause = errno;
    close(fd);
    if (cause == EADDRINUSE)
        return dmpi_err_set(
            err, DMPI_ECONFLICT,
            "port %d of this machine is taken: choose another: `dockmpi forward %s:%d:OTHER`",
            f->local_port, f->name, f->port);
    return dmpi_err_sys(err, cause, "port %d of this machine", f->local_port);
}

static int accept_all(struct forward *f, struct dmpi_err *err)
{
    int listener = open_port(f, err);
    if (listener < 0)
        return -1;
    dmpi_out_line("127.0.0.1:%d goes to port %d of %s; Ctrl-C ends it", f->local_port, f->port,
                  f->name);
    fflush(stdout);
    struct pollfd wait = {.fd = listener, .events = POLLIN};
    while (dmpi_ctl_poll(dmpi_app_ctl(), &wait, 1, err) >= 0) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            begin(f, fd);
    }
    close(listener);
    end_all(f);
    return err->code == DMPI_ECANCELED ? 0 : -1; /* Ctrl-C is how it ends */
}

/* [NAME:]PORT[:LOCAL]; *name is owned by the caller. */
static int parse(char **name, struct forward *f, const char *text, struct dmpi_err *err)
{
    struct dmpi_strv parts DMPI_AUTO(dmpi_strv_free) = dmpi_strv_split(text, ':');
    long long port = 0, local = 0;
    size_t i = parts.n && dmpi_text_int(&port, parts.v[0], 0, INT32_MAX) == 0 ? 0 : 1;
    *name = dmpi_xstrdup(i ? parts.v[0] : "launcher");
    if (parts.n < i + 1 || parts.n > i + 2 || dmpi_text_int(&port, parts.v[i], 1, 65535) != 0 ||
        (parts.n == i + 2 && dmpi_text_int(&local, parts.v[i + 1], 0, 65535) != 0))
        return dmpi_usage(err, "'%s': wanted is [worker-I:]PORT[:LOCALPORT], such as worker-0:8888",
                          text);
    f->port = (int)port;
    f->local_port = parts.n == i + 2 ? (int)local : (int)port;
    return 0;
}

static int forward(struct forward *f, struct dmpi_session *session, struct dmpi_err *err)
{
    struct dmpi_state state DMPI_AUTO(dmpi_state_free) = {0};
    if (dmpi_session_members(&state, session, err) < 0)
        return -1;
    f->member = dmpi_session_member(&state, session->spec.name, f->name, err);
    if (!f->member ||
        dmpi_fleet_engine(&f->engine, session->fleet, f->member->node, dmpi_app_ctl(), err) < 0)
        return -1;
    return accept_all(f, err);
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    const struct dmpi_common *common = arg;
    if (operands->n != 1)
        return dmpi_usage(err, "forward needs one port: `dockmpi forward worker-0:8888`");
    struct forward f = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        f.fds[i] = -1;
    dmpi_autofree char *name = NULL;
    int rc = parse(&name, &f, operands->v[0], err);
    if (rc != 0)
        return rc;
    f.name = name;
    struct dmpi_session session;
    rc = dmpi_session_open(&session, common, err);
    if (rc == 0)
        rc = forward(&f, &session, err);
    dmpi_session_close(&session);
    return rc;
}

static const struct dmpi_opt opts[] = {{0}};

const struct dmpi_verb dmpi_verb_forward = {
    .name = "forward",
    .args = "[launcher:|worker-I:]PORT[:LOCALPORT]",
    .summary = "a port of a container (Jupyter, TensorBoard) on this machine",
    .details = "Without a name: the launcher's. It listens on 127.0.0.1 alone and carries every\n"
               "connection through the one that already leads to the engine, until Ctrl-C.\n"
               "LOCALPORT 0 takes a free one.",
    .opts = opts,
    .opts_size = sizeof(struct dmpi_common),
    .run = run,
};
