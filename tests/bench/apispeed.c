// SPDX-License-Identifier: MIT
// How long the Engine API takes to move one large body, over whatever transport the endpoint names.
//
// usage: apispeed ENDPOINT CONTAINER up|down MIB [IDENTITY KNOWN_HOSTS]
// Prints milliseconds, on a connection that was used before. "up" sends a tar with one file to
// /tmp of the container, "down" fetches it back.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/tar.h"
#include "engine/containers.h"
#include "engine/engine.h"

#define NAME "dockmpi-apispeed"

// A tar that is made while it is read: one head, then bytes that no compression would shorten.
struct body {
    struct dmpi_buf head, tail;
    uint64_t left; // of the file
    char noise[1 << 16];
};

static struct dmpi_err err;

static void check(int result)
{
    if (result == 0)
        return;
    fprintf(stderr, "apispeed: %s\n", err.msg);
    exit(1);
}

static ssize_t take(struct dmpi_buf *from, void *to, size_t n)
{
    size_t part = n < from->len ? n : from->len;
    memcpy(to, from->data, part);
    dmpi_buf_consume(from, part);
    return (ssize_t)part;
}

static ssize_t read_body(void *arg, void *to, size_t n, struct dmpi_err *e)
{
    struct body *b = arg;
    (void)e;
    if (b->head.len > 0)
        return take(&b->head, to, n);
    if (b->left == 0)
        return b->tail.len > 0 ? take(&b->tail, to, n) : 0;
    if (n > sizeof b->noise)
        n = sizeof b->noise;
    if (n > b->left)
        n = (size_t)b->left;
    memcpy(to, b->noise, n);
    b->left -= n;
    return (ssize_t)n;
}

static void prepare(struct body *b, const char *name, uint64_t size)
{
    struct dmpi_tar_writer w;
    struct dmpi_tar_entry entry = {.path = name, .type = '0', .mode = 0644, .size = size};
    b->head = (struct dmpi_buf)DMPI_BUF_INIT(1 << 16);
    b->tail = (struct dmpi_buf)DMPI_BUF_INIT(1 << 16);
    b->left = size;
    for (size_t i = 0; i < sizeof b->noise; i++)
        b->noise[i] = (char)(random() >> 8);
    dmpi_tar_writer_init(&w, dmpi_tar_write_buf, &b->head);
    check(dmpi_tar_add(&w, &entry, &err));
    // The sizes used are whole blocks: behind the file come the two empty ones of the end.
    static const char end[1024];
    dmpi_buf_add(&b->tail, end, sizeof end);
}

static void put(struct dmpi_engine *e, const char *container, const char *name, uint64_t size)
{
    static struct body b;
    prepare(&b, name, size);
    struct dmpi_source source = {read_body, &b};
    check(dmpi_container_put_archive(e, NULL, container, "/tmp", &source, &err));
    dmpi_buf_free(&b.head);
    dmpi_buf_free(&b.tail);
}

static int count(void *arg, const void *data, size_t n, struct dmpi_err *e)
{
    (void)data;
    (void)e;
    *(uint64_t *)arg += n;
    return 0;
}

static void get(struct dmpi_engine *e, const char *container, const char *name, uint64_t size)
{
    uint64_t got = 0;
    struct dmpi_sink sink = {count, &got};
    check(dmpi_container_get_archive(e, NULL, container, name, &sink, &err));
    if (got < size) {
        fprintf(stderr, "apispeed: %llu bytes came back\n", (unsigned long long)got);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    struct dmpi_endpoint ep;
    struct dmpi_engine *e = NULL;
    if (argc != 5 && argc != 7) {
        fprintf(stderr, "usage: apispeed ENDPOINT CONTAINER up|down MIB [IDENTITY KNOWN_HOSTS]\n");
        return 2;
    }
    uint64_t size = strtoull(argv[4], NULL, 10) << 20;
    check(dmpi_endpoint_parse(&ep, argv[1], &err));
    if (argc == 7) {
        ep.identity = dmpi_xstrdup(argv[5]);
        ep.known_hosts = dmpi_xstrdup(argv[6]);
    }
    check(dmpi_engine_open(&e, &ep, NULL, &err));
    put(e, argv[2], NAME "-small", 512);
    get(e, argv[2], "/tmp/" NAME "-small", 512);
    int64_t start = dmpi_now_ms();
    if (strcmp(argv[3], "up") == 0)
        put(e, argv[2], NAME, size);
    else
        get(e, argv[2], "/tmp/" NAME, size);
    printf("%lld\n", (long long)(dmpi_now_ms() - start));
    dmpi_engine_close(e);
    dmpi_endpoint_free(&ep);
    return 0;
}
