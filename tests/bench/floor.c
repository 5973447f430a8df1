// SPDX-License-Identifier: MIT
// What the engine alone needs to bring containers up (create, put an archive, start), to list them and to
// take them down (list, remove), for all of them at once over connections that are ready. Written straight on libcurl, without any code of
// dockmpi, so that the benchmark has something to compare with.
//
// usage: floor PREFIX SOCKET IMAGE [SOCKET IMAGE]...
// Starts one container PREFIX-I for each IMAGE on the engine at SOCKET (of this machine, or the end of
// a tunnel), lists what each engine has, removes them again, and prints the milliseconds that each of the
// three took on stdout.

#include <curl/curl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCK = 512, FILES = 8, FILE_SIZE = 1024, ARCHIVE = 10240 * 2, BODY = 4096 };

struct container {
    pthread_t thread;
    CURL *curl;
    const char *socket;
    const char *image;
    char name[128];
    bool again; // its engine is that of an earlier one
    bool ok;
};

static char archive[ARCHIVE];

// About as many small files as a member of a cluster is given.
static void make_archive(void)
{
    for (int i = 0; i < FILES; i++) {
        char *h = archive + (size_t)i * (BLOCK + FILE_SIZE);
        snprintf(h, 100, "etc/floor-%d", i);
        memcpy(h + 100, "0000600", 8);
        memcpy(h + 108, "0000000", 8);
        memcpy(h + 116, "0000000", 8);
        snprintf(h + 124, 12, "%011o", FILE_SIZE);
        memcpy(h + 136, "00000000000", 12);
        memset(h + 148, ' ', 8);
        h[156] = '0';
        memcpy(h + 257, "ustar", 6);
        memcpy(h + 263, "00", 2);
        unsigned sum = 0;
        for (int k = 0; k < BLOCK; k++)
            sum += (unsigned char)h[k];
        snprintf(h + 148, 8, "%06o", sum);
        memset(h + BLOCK, 'x', FILE_SIZE);
    }
}

static size_t drop(char *data, size_t size, size_t n, void *arg)
{
    (void)data;
    (void)arg;
    return size * n;
}

// One request; true when the answer's status is 2xx.
static bool call(const struct container *c, const char *method, const char *path, const char *type,
                 const char *body, size_t len)
{
    CURL *curl = c->curl;
    char url[512];
    char header[128];
    snprintf(url, sizeof(url), "http://localhost%s", path);
    snprintf(header, sizeof(header), "Content-Type: %s", type ? type : "application/json");
    struct curl_slist *headers = curl_slist_append(NULL, header);
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_reset(curl); // the connection stays
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)len);
    }
    long status = 0;
    CURLcode rc = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    if (rc == CURLE_OK && status / 100 == 2)
        return true;
    fprintf(stderr, "floor: %s %s: %s, status %ld\n", method, path, curl_easy_strerror(rc), status);
    return false;
}

static bool create(const struct container *c)
{
    char body[BODY];
    char path[256];
    int n = snprintf(body, sizeof(body),
                     "{\"Image\":\"%s\",\"Entrypoint\":[\"/bin/sleep\",\"600\"],"
                     "\"HostConfig\":{\"NetworkMode\":\"host\",\"Init\":true}}",
                     c->image);
    snprintf(path, sizeof(path), "/containers/create?name=%s", c->name);
    return call(c, "POST", path, NULL, body, (size_t)n);
}

static bool put(const struct container *c)
{
    char path[256];
    snprintf(path, sizeof(path), "/containers/%s/archive?path=/", c->name);
    return call(c, "PUT", path, "application/x-tar", archive, sizeof(archive));
}

static bool start(const struct container *c)
{
    char path[256];
    snprintf(path, sizeof(path), "/containers/%s/start", c->name);
    return call(c, "POST", path, NULL, "", 0);
}

static void *bring_up(void *arg)
{
    struct container *c = arg;
    c->ok = create(c) && put(c) && start(c);
    return NULL;
}

static bool connect_engine(struct container *c)
{
    c->curl = curl_easy_init();
    return c->curl && call(c, "GET", "/_ping", NULL, NULL, 0);
}

// Once for each engine.
static void *list(void *arg)
{
    struct container *c = arg;
    c->ok = c->again || call(c, "GET", "/containers/json?all=1", NULL, NULL, 0);
    return NULL;
}

static void *take_down(void *arg)
{
    struct container *c = arg;
    char path[256];
    list(c);
    snprintf(path, sizeof(path), "/containers/%s?force=1&v=1", c->name);
    c->ok = call(c, "DELETE", path, NULL, NULL, 0) && c->ok;
    return NULL;
}

static bool on_all(struct container *all, int n, void *(*what)(void *))
{
    for (int i = 0; i < n; i++)
        if (pthread_create(&all[i].thread, NULL, what, &all[i]) != 0)
            return false;
    for (int i = 0; i < n; i++)
        pthread_join(all[i].thread, NULL);
    return true;
}

static double now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

// Milliseconds; negative when it failed.
static double timed(struct container *all, int n, void *(*what)(void *))
{
    double begin = now_ms();
    bool ok = on_all(all, n, what);
    double end = now_ms();
    for (int i = 0; i < n; i++)
        ok = ok && all[i].ok;
    return ok ? end - begin : -1;
}

static int measure(struct container *all, int n)
{
    double up = timed(all, n, bring_up);
    double listed = timed(all, n, list);
    double down = timed(all, n, take_down);
    for (int i = 0; i < n; i++)
        curl_easy_cleanup(all[i].curl);
    if (up < 0 || listed < 0 || down < 0)
        return 1;
    printf("%.1f %.1f %.1f\n", up, listed, down);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc % 2 != 0) {
        fprintf(stderr, "usage: floor PREFIX SOCKET IMAGE [SOCKET IMAGE]...\n");
        return 2;
    }
    int n = (argc - 2) / 2;
    struct container *all = calloc((size_t)n, sizeof(*all));
    if (!all || curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return 1;
    make_archive();
    for (int i = 0; i < n; i++) {
        all[i].socket = argv[2 + 2 * i];
        all[i].image = argv[3 + 2 * i];
        for (int k = 0; k < i; k++)
            all[i].again = all[i].again || strcmp(all[k].socket, all[i].socket) == 0;
        snprintf(all[i].name, sizeof(all[i].name), "%s-%d", argv[1], i);
        if (!connect_engine(&all[i]))
            return 1;
    }
    int rc = measure(all, n);
    free(all);
    curl_global_cleanup();
    return rc;
}
