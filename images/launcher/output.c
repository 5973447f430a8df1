// SPDX-License-Identifier: MIT
// Preloaded into mpirun: writes the output of the ranks itself, instead of PMIx, says in one line why a
// job failed, and keeps PRRTE from warning about nothing.
//
// PMIx 5.0 holds back a line until it is complete, copies all of it for each piece that arrives
// (50 MB without a newline take hours), and puts what it held back before the next piece of any
// other rank, or of the other stream. Here a line of one rank stays together where it is shorter
// than LINE_KEPT and its pieces come within FLUSH_MS of each other, or within BUSY_MS while others
// print. Nothing else is ever held back.
//
// With DOCKMPI_TAG each line begins with the number of its rank: "3: text", or "3; text" for a part whose
// newline is not the rank's own (lines longer than LINE_KEPT, the end of what a rank prints). Lines that
// begin with the value of DOCKMPI_TAG go out as they are.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// From the public interface of PMIx, which is fixed.
typedef struct {
    char nspace[256];
    uint32_t rank;
} pmix_proc_t;
typedef struct {
    char *bytes;
    size_t size;
} pmix_byte_object_t;
typedef void (*pmix_op_cbfunc_t)(int status, void *cbdata);
#define PMIX_FWD_STDOUT_CHANNEL 2
#define PMIX_FWD_STDDIAG_CHANNEL 8

int PMIx_server_IOF_deliver(const pmix_proc_t *source, uint16_t channel,
                            const pmix_byte_object_t *bo, const void *info, size_t ninfo,
                            pmix_op_cbfunc_t cbfunc, void *cbdata);

#define LINE_KEPT 65536
#define FLUSH_MS 100
#define BUSY_MS 1000 // the pieces of all ranks queue up behind one another
#define BUCKETS 1024

// The unfinished line of one stream of one rank.
struct source {
    struct source *next;
    char nspace[256];
    uint32_t rank;
    int fd;
    int64_t since; // when the latest piece came
    size_t len;
    char line[LINE_KEPT];
};

static struct source *sources[BUCKETS];
static size_t unfinished; // sources with len > 0
static int64_t latest;    // when anything was last written
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t some_unfinished = PTHREAD_COND_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void put(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n >= 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        } else if (errno != EINTR) {
            return;
        }
    }
}

static const char *tag; // NULL: lines go out as they come
static char batch[2 * LINE_KEPT];
static size_t batched;

static void send_batch(int fd)
{
    put(fd, batch, batched);
    batched = 0;
}

static void add_to_batch(int fd, const char *data, size_t len)
{
    if (batched + len > sizeof(batch))
        send_batch(fd);
    memcpy(batch + batched, data, len);
    batched += len;
}

// What is kept of a line; whole: its newline came.
static void tag_line(struct source *s, bool whole)
{
    char head[16];
    size_t len = strlen(tag);

    if (s->len < len || memcmp(s->line, tag, len) != 0) {
        int n = snprintf(head, sizeof(head), "%u%c ", s->rank, whole ? ':' : ';');
        add_to_batch(s->fd, head, (size_t)n);
    }
    add_to_batch(s->fd, s->line, s->len);
    add_to_batch(s->fd, "\n", 1);
    s->len = 0;
}

static void deliver_tagged(struct source *s, const char *data, size_t len)
{
    while (len > 0) {
        const char *newline = memchr(data, '\n', len);
        size_t n = newline ? (size_t)(newline - data) : len;
        size_t taken = n < LINE_KEPT - s->len ? n : LINE_KEPT - s->len;

        memcpy(s->line + s->len, data, taken);
        s->len += taken;
        data += taken;
        len -= taken;
        if (taken == n && newline) {
            tag_line(s, true);
            data++;
            len--;
        } else if (s->len == LINE_KEPT) {
            tag_line(s, false);
        }
    }
    send_batch(s->fd);
}

static void flush(struct source *s)
{
    if (tag && s->len > 0) {
        tag_line(s, false);
        send_batch(s->fd);
        return;
    }
    if (s->len == 0)
        return;
    put(s->fd, s->line, s->len);
    s->len = 0;
    unfinished--;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// What nothing was added to since then.
static void flush_before(int64_t then)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct source *s = sources[i]; s; s = s->next)
            if (s->since <= then)
                flush(s);
    }
}

// Prompts and progress bars do not end in a newline: they are shown after a moment.
static void *flusher(void *arg)
{
    for (;;) {
        pthread_mutex_lock(&lock);
        while (unfinished == 0)
            pthread_cond_wait(&some_unfinished, &lock);
        pthread_mutex_unlock(&lock);
        nanosleep(&(struct timespec){.tv_nsec = FLUSH_MS / 2 * 1000000L}, NULL);
        pthread_mutex_lock(&lock);
        int64_t now = now_ms();
        flush_before(now - (now - latest < FLUSH_MS ? BUSY_MS : FLUSH_MS));
        pthread_mutex_unlock(&lock);
    }
    return arg;
}

static void start_flusher(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, flusher, NULL) == 0)
        pthread_detach(thread);
}

static struct source *find(const pmix_proc_t *proc, int fd)
{
    struct source **bucket = &sources[proc->rank % BUCKETS];

    for (struct source *s = *bucket; s; s = s->next) {
        if (s->rank == proc->rank && s->fd == fd &&
            strncmp(s->nspace, proc->nspace, sizeof(s->nspace)) == 0)
            return s;
    }
    struct source *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    memcpy(s->nspace, proc->nspace, sizeof(s->nspace));
    s->rank = proc->rank;
    s->fd = fd;
    s->next = *bucket;
    *bucket = s;
    return s;
}

static void keep(struct source *s, const char *data, size_t len)
{
    if (s->len + len > LINE_KEPT)
        flush(s);
    if (len > LINE_KEPT) {
        put(s->fd, data, len);
        return;
    }
    if (len == 0)
        return;
    if (s->len == 0 && unfinished++ == 0)
        pthread_cond_signal(&some_unfinished);
    memcpy(s->line + s->len, data, len);
    s->len += len;
    s->since = now_ms();
}

static void deliver(struct source *s, const char *data, size_t len)
{
    const char *newline = memrchr(data, '\n', len);
    size_t whole = newline ? (size_t)(newline - data) + 1 : 0;

    if (whole > 0 && s->len + whole <= LINE_KEPT) { // in one write, so that nothing comes between
        keep(s, data, whole);
        flush(s);
    } else if (whole > 0) {
        flush(s);
        put(s->fd, data, whole);
    }
    keep(s, data + whole, len - whole);
}

// mpirun calls a worker by its alias or by its container's host name, dockmpi-CLUSTER-worker-I: the alias.
static const char *alias(const char *host)
{
    const char *found = host;

    for (const char *at = host; (at = strstr(at, "worker-")); at++)
        found = at;
    return found;
}

// The node of that worker, from what dockmpi wrote at the end of the job's file; "" where it did not.
static void node_of(const char *worker, char *node, size_t size)
{
    FILE *job = fopen("/etc/dockmpi/job", "re");
    char line[1024];
    unsigned long wanted, index;
    int at;

    node[0] = '\0';
    bool known = sscanf(worker, "worker-%lu", &wanted) == 1;
    while (known && job && fgets(line, sizeof(line), job)) {
        if (sscanf(line, "# Worker: %lu %n", &index, &at) == 1 && index == wanted)
            snprintf(node, size, " of node %.*s", (int)strcspn(line + at, " \n"), line + at);
    }
    if (job)
        fclose(job);
}

// What mpirun itself says about the end of a job, in one line; false for anything else.
static bool explain(const char *text)
{
    static const char killed[] = "noticed that process rank ", code[] = "Exit code:";
    const char *name = strstr(text, "Process name: ["), *at;
    char line[512], host[100], node[256], signal[64];
    unsigned long rank;
    int status;

    if (name && (name = strchr(name, ',')) && (at = strstr(name, code)) &&
        sscanf(name, ",%lu]", &rank) == 1 && sscanf(at + sizeof(code) - 1, "%d", &status) == 1) {
        snprintf(line, sizeof(line), "dockmpi: rank %lu ended with exit code %d\n", rank, status);
    } else if ((at = strstr(text, killed)) &&
               sscanf(at + sizeof(killed) - 1,
                      "%lu with PID %*d on node %99s exited on signal %63[^.]", &rank, host,
                      signal) == 3) {
        node_of(alias(host), node, sizeof(node));
        snprintf(line, sizeof(line), "dockmpi: rank %lu on %s%s was killed by signal %s\n", rank,
                 alias(host), node, signal);
    } else {
        return false;
    }
    put(STDERR_FILENO, line, strlen(line));
    return true;
}

// The words of /etc/dockmpi/rank about a program that no rank can start: every rank has the same.
static bool is_refusal(const char *text)
{
    const char *newline = strchr(text, '\n');

    return strncmp(text, "dockmpi: ", 9) == 0 && newline && newline[1] == '\0' &&
           strstr(text, " on worker-") &&
           (strstr(text, ": not found in image ") || strstr(text, ": not an executable file "));
}

// Whether this needs no more to be written: the line that it comes to was, or is now.
static bool condense(uint16_t channel, const pmix_byte_object_t *bo)
{
    static bool refused;
    char text[2048];

    if (channel & PMIX_FWD_STDOUT_CHANNEL || bo->size >= sizeof(text))
        return false;
    memcpy(text, bo->bytes, bo->size);
    text[bo->size] = '\0';
    if (channel & PMIX_FWD_STDDIAG_CHANNEL)
        return strstr(text, "prterun ") && (refused || explain(text));
    bool again = refused;
    refused = refused || is_refusal(text);
    return again && is_refusal(text);
}

// mpirun and its daemons are "NAME@0", the ranks "NAME@1". Their own words end with the zero of a string of C.
static bool ends_in_zero(const pmix_proc_t *source, const pmix_byte_object_t *bo)
{
    const char *at = strrchr(source->nspace, '@');

    return at && strcmp(at, "@0") == 0 && bo && bo->size > 0 && bo->bytes[bo->size - 1] == '\0';
}

int PMIx_server_IOF_deliver(const pmix_proc_t *source, uint16_t channel,
                            const pmix_byte_object_t *bo, const void *info, size_t ninfo,
                            pmix_op_cbfunc_t cbfunc, void *cbdata)
{
    int fd = channel & PMIX_FWD_STDOUT_CHANNEL ? STDOUT_FILENO : STDERR_FILENO;
    pmix_byte_object_t text;

    (void)info;
    (void)ninfo;
    if (ends_in_zero(source, bo)) {
        text = (pmix_byte_object_t){.bytes = bo->bytes, .size = bo->size - 1};
        bo = &text;
    }
    pthread_once(&once, start_flusher);
    pthread_mutex_lock(&lock);
    struct source *s = find(source, fd);
    if (s && bo && bo->size > 0) {
        if (condense(channel, bo))
            ;
        else if (tag && channel & PMIX_FWD_STDDIAG_CHANNEL) // mpirun's own words
            put(fd, bo->bytes, bo->size);
        else if (tag)
            deliver_tagged(s, bo->bytes, bo->size);
        else
            deliver(s, bo->bytes, bo->size);
    } else if (s)
        flush(s); // the end of this stream
    latest = now_ms();
    pthread_mutex_unlock(&lock);
    if (cbfunc)
        cbfunc(0, cbdata);
    return 0;
}

// PRRTE puts each ssh into its own process group, both as parent and in the child. Where the child was
// quicker and has become ssh already, the kernel refuses the parent (EACCES), which then warns.
int setpgid(pid_t pid, pid_t group)
{
    if (syscall(SYS_setpgid, pid, group) == 0 || (errno == EACCES && getpgid(pid) == group))
        return 0;
    return -1;
}

// mpirun becomes prterun; the ssh that this starts is not meant.
__attribute__((constructor)) static void begin(void)
{
    if (strncmp(program_invocation_short_name, "prte", 4) == 0)
        unsetenv("LD_PRELOAD");
    tag = getenv("DOCKMPI_TAG");
}

__attribute__((destructor)) static void end(void)
{
    pthread_mutex_lock(&lock);
    flush_before(INT64_MAX);
    pthread_mutex_unlock(&lock);
}
