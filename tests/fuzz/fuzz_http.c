// SPDX-License-Identifier: MIT
// Whatever an engine answers, over a real socket: every kind of call ends with a result or with an error of one
// line. The first byte of the input chooses the call and whether the rest is the whole answer or only its body.
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "cluster/state.h"
#include "engine/containers.h"
#include "engine/engine.h"
#include "engine/exec.h"
#include "engine/images.h"
#include "engine/top.h"
#include "fleet/fleet.h"
#include "spec/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

// --- an engine that answers what it is told to ------------------------------------------------

static struct {
    char dir[64], url[128];
    int listener;
    const uint8_t *answer; // the caller's, who waits while it is sent
    size_t len;
    bool body_only;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    int serving; // connections that are open
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .idle = PTHREAD_COND_INITIALIZER};

static void put(int fd, const void *data, size_t n)
{
    const char *at = data;
    while (n > 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += sent;
        n -= (size_t)sent;
    }
}

static void puts_to(int fd, const char *text)
{
    put(fd, text, strlen(text));
}

// One connection: pings as long as they come, then the answer and the end. What is left of a request when the
// connection is closed would make the kernel reset it, so it is read first.
static void serve(int fd)
{
    char request[65536];
    for (;;) {
        ssize_t n = recv(fd, request, sizeof(request) - 1, 0);
        if (n <= 0)
            return;
        request[n] = '\0';
        if (!strstr(request, "/_ping"))
            break;
        puts_to(
            fd,
            "HTTP/1.1 200 OK\r\nApi-Version: 1.47\r\nOstype: linux\r\nContent-Length: 2\r\n\r\nOK");
    }
    if (fake.body_only)
        puts_to(fd, strstr(request, "Upgrade: tcp")
                        ? "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
                        : "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    put(fd, fake.answer, fake.len);
    shutdown(fd, SHUT_WR);
    for (struct pollfd p = {.fd = fd, .events = POLLIN}; poll(&p, 1, 5) > 0;)
        if (recv(fd, request, sizeof(request), 0) <= 0)
            break;
}

static void *serve_one(void *arg)
{
    int fd = (int)(intptr_t)arg;
    serve(fd);
    close(fd);
    pthread_mutex_lock(&fake.lock);
    if (--fake.serving == 0)
        pthread_cond_signal(&fake.idle);
    pthread_mutex_unlock(&fake.lock);
    return NULL;
}

static void *serve_all(void *arg)
{
    (void)arg;
    for (int fd; (fd = accept(fake.listener, NULL, NULL)) >= 0;) {
        pthread_t thread;
        pthread_mutex_lock(&fake.lock);
        fake.serving++;
        pthread_mutex_unlock(&fake.lock);
        check(pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd) == 0 &&
              pthread_detach(thread) == 0);
    }
    return NULL;
}

// The answer may be the next one only when nobody sends this one any more.
static void wait_until_idle(void)
{
    pthread_mutex_lock(&fake.lock);
    while (fake.serving > 0)
        pthread_cond_wait(&fake.idle, &fake.lock);
    pthread_mutex_unlock(&fake.lock);
}

static void remove_folder(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/s", fake.dir);
    unlink(path);
    rmdir(fake.dir);
}

static void start(void)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    pthread_t thread;
    snprintf(fake.dir, sizeof(fake.dir), "/tmp/fuzz-http-XXXXXX");
    check(mkdtemp(fake.dir) != NULL);
    atexit(remove_folder);
    snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/s", fake.dir);
    snprintf(fake.url, sizeof(fake.url), "unix://%s/s", fake.dir);
    fake.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(bind(fake.listener, (struct sockaddr *)&sun, sizeof(sun)) == 0 &&
          listen(fake.listener, 16) == 0);
    check(pthread_create(&thread, NULL, serve_all, NULL) == 0 && pthread_detach(thread) == 0);
}

// --- the calls -------------------------------------------------------------------------------

static const struct dmpi_ctl *soon(void)
{
    static struct dmpi_ctl ctl;
    ctl = dmpi_ctl_within(NULL, 5000);
    return &ctl;
}

static int list(struct dmpi_engine *e, struct dmpi_err *err)
{
    static const char *const labels[] = {"io.dockmpi.cluster=lab", NULL};
    dmpi_json_auto json_t *out = NULL;
    int rc = dmpi_container_list(e, soon(), labels, true, &out, err);
    check(rc != 0 || json_is_array(out));
    return rc;
}

static int inspect(struct dmpi_engine *e, struct dmpi_err *err)
{
    dmpi_json_auto json_t *out = NULL;
    int rc = dmpi_container_inspect(e, soon(), "c", &out, err);
    check(rc != 0 || json_is_object(out));
    return rc;
}

static int create(struct dmpi_engine *e, struct dmpi_err *err)
{
    dmpi_json_auto json_t *body =
        json_pack("{s:s, s:{s:b}}", "Image", "i", "HostConfig", "Init", 1);
    dmpi_autofree char *id = NULL;
    int rc = dmpi_container_create(e, soon(), "c", body, &id, err);
    check(rc != 0 || id);
    return rc;
}

static int wait_for(struct dmpi_engine *e, struct dmpi_err *err)
{
    int code = 0;
    return dmpi_container_wait(e, soon(), "c", &code, err);
}

static int logs(struct dmpi_engine *e, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(1 << 20);
    struct dmpi_logs_opts opts = DMPI_LOGS_ALL;
    struct dmpi_streams streams = {.out = dmpi_sink_to_buf_capped(&text)};
    return dmpi_container_logs(e, soon(), "c", &opts, &streams, err);
}

static int attach(struct dmpi_engine *e, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(1 << 20);
    struct dmpi_pump pump = DMPI_PUMP_INIT;
    struct dmpi_hijack *h = NULL;
    if (dmpi_container_attach(e, soon(), "c", DMPI_ATTACH_STDIN | DMPI_ATTACH_OUTPUT, &h, err) != 0)
        return -1;
    pump.data = "hello";
    pump.len = 5;
    pump.streams.out = dmpi_sink_to_buf_capped(&text);
    int rc = dmpi_hijack_pump(h, soon(), &pump, err);
    dmpi_hijack_close(h);
    return rc;
}

static int run_exec(struct dmpi_engine *e, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(1 << 20);
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv argv = DMPI_STRV_INIT;
    int code = 0;
    dmpi_strv_add(&argv, "true");
    return dmpi_exec_run(e, soon(), "c", &argv, NULL, 0, &out, NULL, &code, err);
}

static int take_object(void *arg, json_t *object, struct dmpi_err *err)
{
    (void)arg;
    (void)err;
    check(json_is_object(object));
    return 0;
}

static int build(struct dmpi_engine *e, struct dmpi_err *err)
{
    static const char *const tags[] = {"t", NULL};
    struct dmpi_build_params params = {.tags = tags};
    struct dmpi_memory tar = {.data = "tar", .len = 3};
    struct dmpi_source source = dmpi_source_from_memory(&tar);
    dmpi_autofree char *id = NULL;
    return dmpi_image_build(e, soon(), &params, &source, take_object, NULL, &id, err);
}

static int pull(struct dmpi_engine *e, struct dmpi_err *err)
{
    return dmpi_image_pull(e, soon(), "i:t", NULL, take_object, NULL, err);
}

static int events(struct dmpi_engine *e, struct dmpi_err *err)
{
    return dmpi_engine_events(e, soon(), NULL, 0, 0, take_object, NULL, err);
}

static int stat_file(struct dmpi_engine *e, struct dmpi_err *err)
{
    dmpi_json_auto json_t *out = NULL;
    int rc = dmpi_container_stat(e, soon(), "c", "/work", &out, err);
    check(rc != 0 || json_is_object(out));
    return rc;
}

static int archive(struct dmpi_engine *e, struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf tar = DMPI_BUF_INIT(1 << 20);
    struct dmpi_sink sink = dmpi_sink_to_buf_capped(&tar);
    return dmpi_container_get_archive(e, soon(), "c", "/work", &sink, err);
}

static int top(struct dmpi_engine *e, struct dmpi_err *err)
{
    dmpi_json_auto json_t *out = NULL;
    return dmpi_container_top(e, soon(), "c", NULL, &out, err);
}

static int info(struct dmpi_engine *e, struct dmpi_err *err)
{
    dmpi_json_auto json_t *out = NULL;
    return dmpi_engine_info(e, soon(), &out, err);
}

static int images(struct dmpi_engine *e, struct dmpi_err *err)
{
    dmpi_json_auto json_t *out = NULL;
    return dmpi_image_list(e, soon(), NULL, &out, err);
}

// All members of all clusters, with the details of their jobs.
static int state(struct dmpi_engine *unused, struct dmpi_err *err)
{
    (void)unused;
    struct dmpi_node node = {.name = (char *)"n"};
    struct dmpi_state all;
    check(dmpi_endpoint_parse(&node.ep, fake.url, err) == 0);
    struct dmpi_fleet *fleet = dmpi_fleet_new(&node, 1, 0);
    int rc = dmpi_state_load(&all, fleet, NULL, soon(), err);
    for (size_t i = 0; i < all.n; i++)
        check(all.members[i].cluster && all.members[i].state && all.members[i].index >= 0);
    dmpi_state_free(&all);
    dmpi_fleet_free(fleet);
    dmpi_endpoint_free(&node.ep);
    return rc;
}

static int (*const calls[])(struct dmpi_engine *, struct dmpi_err *) = {
    list,   inspect, create,    wait_for, logs, attach, run_exec, build,
    events, pull,    stat_file, archive,  top,  info,   images,   state,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_endpoint ep;
    struct dmpi_engine *engine = NULL;
    if (size == 0)
        return 0;
    if (!fake.url[0])
        start();
    fake.answer = data + 1;
    fake.len = size - 1;
    fake.body_only = data[0] & 0x80;
    check(dmpi_endpoint_parse(&ep, fake.url, &err) == 0);
    check(dmpi_engine_open(&engine, &ep, soon(), &err) == 0);
    if (calls[data[0] % DMPI_ARRAY_LEN(calls)](engine, &err) != 0)
        check(err.code != DMPI_OK && err.code != DMPI_ETIMEOUT && err.msg[0] &&
              !strpbrk(err.msg, "\n\r\x1b"));
    dmpi_engine_close(engine);
    dmpi_endpoint_free(&ep);
    wait_until_idle();
    return 0;
}
