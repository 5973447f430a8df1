// SPDX-License-Identifier: MIT
#include "unit/fake_engine.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SERVED_MAX 64

struct served {
    struct fake *f;
    pthread_t thread;
    int fd;
    int n;
};

struct fake {
    fake_serve serve;
    void *arg;
    char dir[64];
    char url[128];
    int listener;
    int stop[2];
    pthread_t thread;
    struct served served[SERVED_MAX];
    int n_served;
};

static void *serve_thread(void *arg)
{
    struct served *s = arg;
    s->f->serve(s->f, s->fd, s->n, s->f->arg);
    shutdown(s->fd, SHUT_RDWR); /* the descriptor itself is closed by fake_stop */
    return NULL;
}

static void *accept_thread(void *arg)
{
    struct fake *f = arg;
    struct pollfd fds[2] = {{.fd = f->listener, .events = POLLIN},
                            {.fd = f->stop[0], .events = POLLIN}};
    while (f->n_served < SERVED_MAX) {
        if (poll(fds, 2, -1) < 0 || fds[1].revents)
            break;
        struct served *s = &f->served[f->n_served];
        s->f = f;
        s->n = f->n_served;
        s->fd = accept(f->listener, NULL, NULL);
        if (s->fd < 0)
            break;
        if (pthread_create(&s->thread, NULL, serve_thread, s) != 0)
            abort();
        f->n_served++;
    }
    return NULL;
}

struct fake *fake_start(fake_serve serve, void *arg)
{
    struct fake *f = calloc(1, sizeof *f);
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    if (!f)
        abort();
    f->serve = serve;
    f->arg = arg;
    snprintf(f->dir, sizeof f->dir, "/tmp/fake-engine-XXXXXX");
    if (!mkdtemp(f->dir) || pipe(f->stop) != 0)
        abort();
    snprintf(sun.sun_path, sizeof sun.sun_path, "%s/s", f->dir);
    snprintf(f->url, sizeof f->url, "unix://%s/s", f->dir);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(f->listener, (struct sockaddr *)&sun, sizeof sun) != 0 || listen(f->listener, 16) != 0)
        abort();
    if (pthread_create(&f->thread, NULL, accept_thread, f) != 0)
        abort();
    return f;
}

void fake_stop(struct fake *f)
{
    char path[128];
    if (write(f->stop[1], "x", 1) != 1)
        abort();
    pthread_join(f->thread, NULL);
    for (int i = 0; i < f->n_served; i++)
        shutdown(f->served[i].fd, SHUT_RDWR);
    for (int i = 0; i < f->n_served; i++) {
        pthread_join(f->served[i].thread, NULL);
        close(f->served[i].fd);
    }
    snprintf(path, sizeof path, "%s/s", f->dir);
    unlink(path);
    rmdir(f->dir);
    close(f->listener);
    close(f->stop[0]);
    close(f->stop[1]);
    free(f);
}

const char *fake_url(const struct fake *f)
{
    return f->url;
}

static bool read_byte(int fd, char *c)
{
    return recv(fd, c, 1, 0) == 1;
}

static bool read_line(int fd, char *line, size_t size)
{
    size_t n = 0;
    char c;
    while (read_byte(fd, &c)) {
        if (c == '\n') {
            line[n] = '\0';
            return true;
        }
        if (c != '\r' && n + 1 < size)
            line[n++] = c;
    }
    return false;
}

static void append(char *buf, size_t size, const char *data, size_t n)
{
    size_t have = strlen(buf);
    if (n > size - 1 - have)
        n = size - 1 - have;
    memcpy(buf + have, data, n);
    buf[have + n] = '\0';
}

static bool read_body(int fd, size_t n, char *buf, size_t size)
{
    char part[4096];
    while (n > 0) {
        ssize_t got = recv(fd, part, n < sizeof part ? n : sizeof part, 0);
        if (got <= 0)
            return false;
        append(buf, size, part, (size_t)got);
        n -= (size_t)got;
    }
    return true;
}

static bool read_chunks(int fd, char *buf, size_t size)
{
    char line[64];
    for (;;) {
        if (!read_line(fd, line, sizeof line))
            return false;
        size_t n = strtoul(line, NULL, 16);
        if (!read_body(fd, n, buf, size) || !read_line(fd, line, sizeof line))
            return false;
        if (n == 0)
            return true;
    }
}

bool fake_request(int fd, char *buf, size_t size)
{
    char line[8192];
    size_t length = 0;
    bool chunked = false;
    buf[0] = '\0';
    for (;;) {
        if (!read_line(fd, line, sizeof line))
            return false;
        append(buf, size, line, strlen(line));
        append(buf, size, "\n", 1);
        if (line[0] == '\0')
            break;
        if (strncasecmp(line, "content-length:", 15) == 0)
            length = strtoul(line + 15, NULL, 10);
        if (strncasecmp(line, "transfer-encoding: chunked", 26) == 0)
            chunked = true;
    }
    return chunked ? read_chunks(fd, buf, size) : read_body(fd, length, buf, size);
}

bool fake_request_line(int fd, char *buf, size_t size)
{
    char whole[16384];
    if (!fake_request(fd, whole, sizeof whole))
        return false;
    snprintf(buf, size, "%.*s", (int)strcspn(whole, "\n"), whole);
    return true;
}

void fake_send_n(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        data += sent;
        n -= (size_t)sent;
    }
}

void fake_send(int fd, const char *text)
{
    fake_send_n(fd, text, strlen(text));
}

void fake_send_slowly(int fd, const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fake_send_n(fd, data + i, 1);
        usleep(200);
    }
}

void fake_answer(int fd, const char *status, const char *type, const char *body)
{
    char head[512];
    snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
             status, type, strlen(body));
    fake_send(fd, head);
    fake_send(fd, body);
}

void fake_pong(int fd, const char *api)
{
    char answer[256];
    snprintf(answer, sizeof answer,
             "HTTP/1.1 200 OK\r\nApi-Version: %s\r\nOstype: linux\r\nContent-Length: 2\r\n\r\nOK",
             api);
    fake_send(fd, answer);
}
