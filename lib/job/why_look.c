// SPDX-License-Identifier: MIT
#include "job/why_look.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define FIELDS 12
#define STACK_MAX 16
#define PID_MAX 0x7fffffff
#define NO_LIMIT (INT64_C(1) << 60) // cgroup v1 writes a number near 2^63 for none

// The sockets of a process are told before their addresses.
struct owner {
    int pid;
    long long inode;
};

struct parser {
    struct dmpi_why_look *out;
    struct owner *owners;
    size_t n_owners;
    long long now[2]; // hundredths of a second
    int looks;
    bool ended;
};

// Cuts off the next word of *line; an empty one at its end.
static char *word(char **line)
{
    char *at = *line + strspn(*line, " ");
    size_t len = strcspn(at, " ");

    *line = at + len;
    if (**line)
        *(*line)++ = '\0';
    return at;
}

static bool number(long long *out, const char *text, long long max)
{
    return dmpi_text_int(out, text, 0, max) == 0;
}

// "25228.29" in hundredths.
static bool hundredths(long long *out, char *text)
{
    char *dot = strchr(text, '.');
    long long part = 0;

    if (!dot || strlen(dot) != 3)
        return false;
    *dot = '\0';
    if (!number(out, text, INT64_MAX / 1000) || !number(&part, dot + 1, 99))
        return false;
    *out = *out * 100 + part;
    return true;
}

static struct dmpi_why_proc *find(const struct dmpi_why_look *look, long long pid)
{
    for (size_t i = look->n; i-- > 0;) {
        if (look->procs[i].pid == pid)
            return &look->procs[i];
    }
    return NULL;
}

static void add_proc(struct parser *p, char *line)
{
    char *words[FIELDS];
    long long v[FIELDS] = {0};
    struct dmpi_why_look *out = p->out;

    for (size_t i = 0; i < 9; i++)
        words[i] = word(&line);
    for (size_t i = 0; i < 7; i++) {
        if (i != 3 && !number(&v[i], words[i], i < 3 ? PID_MAX : INT64_MAX / 4))
            return;
    }
    if (strlen(words[3]) != 1 || v[6] > PID_MAX || strlen(words[7]) >= sizeof(out->procs->call) ||
        find(out, v[0]))
        return;
    out->procs = dmpi_xreallocarray(out->procs, out->n + 1, sizeof(*out->procs));
    struct dmpi_why_proc *proc = &out->procs[out->n++];
    *proc =
        (struct dmpi_why_proc){.pid = (int)v[0],
                               .parent = (int)v[1],
                               .rank = (int)v[2],
                               .state = words[3][0],
                               .user = {v[4], v[4]},
                               .system = {v[5], v[5]},
                               .threads = (int)v[6],
                               .channel = dmpi_xstrdup(strcmp(words[8], "0") == 0 ? "-" : words[8]),
                               .name = dmpi_xstrdup(line)};
    memcpy(proc->call, words[7], strlen(words[7]) + 1);
}

static void add_again(struct parser *p, char *line)
{
    long long pid, user, system;
    const char *first = word(&line), *state = word(&line);

    if (!number(&pid, first, PID_MAX) || strlen(state) != 1 ||
        !number(&user, word(&line), INT64_MAX / 4) || !number(&system, word(&line), INT64_MAX / 4))
        return;
    struct dmpi_why_proc *proc = find(p->out, pid);
    if (!proc || user < proc->user[0] || system < proc->system[0])
        return;
    proc->again = state[0];
    proc->user[1] = user;
    proc->system[1] = system;
}

static void add_stack(struct parser *p, char *line)
{
    long long pid;
    if (!number(&pid, word(&line), PID_MAX))
        return;
    struct dmpi_why_proc *proc = find(p->out, pid);
    if (proc && proc->stack.n < STACK_MAX)
        dmpi_strv_add(&proc->stack, line);
}

static void add_owner(struct parser *p, char *line)
{
    struct owner o;
    long long pid;
    if (!number(&pid, word(&line), PID_MAX) || !number(&o.inode, word(&line), INT64_MAX))
        return;
    o.pid = (int)pid;
    p->owners = dmpi_xreallocarray(p->owners, p->n_owners + 1, sizeof(*p->owners));
    p->owners[p->n_owners++] = o;
}

// "0100007F:EAF0", or of IPv6 32 digits, where an address of IPv4 has this in front.
static bool endpoint(char out[44], const char *text)
{
    static const char mapped[] = "0000000000000000FFFF0000";
    size_t len = strcspn(text, ":");

    if (strspn(text, "0123456789ABCDEF:") != strlen(text) || (len != 8 && len != 32) ||
        strlen(text) != len + 5)
        return false;
    if (len == 32 && strncmp(text, mapped, sizeof(mapped) - 1) == 0)
        text += sizeof(mapped) - 1;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool hex(long long *out, const char *text, size_t digits)
{
    if (strlen(text) != digits || strspn(text, "0123456789ABCDEFabcdef") != digits)
        return false;
    *out = strtoll(text, NULL, 16);
    return true;
}

// "97: 0100007F:EAF0 0100007F:A827 01 TX:RX timer retransmits uid timeout INODE ..."
static void add_sock(struct parser *p, char *line)
{
    struct dmpi_why_sock sock = {0};
    long long state = 0, unsent = 0, unread = 0, inode = 0;

    word(&line);
    bool ok = endpoint(sock.local, word(&line));
    ok = endpoint(sock.peer, word(&line)) && ok;
    ok = hex(&state, word(&line), 2) && ok;
    char *queues = word(&line), *colon = strchr(queues, ':');
    if (!ok || !colon)
        return;
    *colon = '\0';
    for (int i = 0; i < 4; i++)
        word(&line);
    if (!hex(&unsent, queues, 8) || !hex(&unread, colon + 1, 8) ||
        !number(&inode, word(&line), INT64_MAX))
        return;
    sock.state = (int)state;
    sock.unsent = unsent;
    sock.unread = unread;
    for (size_t i = 0; i < p->n_owners; i++) { // children may share one
        if (p->owners[i].inode != inode)
            continue;
        struct dmpi_why_look *out = p->out;
        out->socks = dmpi_xreallocarray(out->socks, out->n_socks + 1, sizeof(*out->socks));
        sock.pid = p->owners[i].pid;
        out->socks[out->n_socks++] = sock;
        return;
    }
}

static void add_daemon(struct parser *p, char *line)
{
    struct dmpi_why_look *out = p->out;
    const char *state = word(&line);

    if (strlen(state) != 1)
        return;
    out->daemons = dmpi_xreallocarray(out->daemons, out->n_daemons + 1, sizeof(*out->daemons));
    out->daemons[out->n_daemons++] =
        (struct dmpi_why_daemon){.state = state[0], .name = dmpi_xstrdup(line)};
}

static void add_now(struct parser *p, char *line)
{
    if (p->looks < 2 && hundredths(&p->now[p->looks], line))
        p->looks++;
}

static void add_oom(struct parser *p, char *line)
{
    long long n;
    if (number(&n, line, INT64_MAX))
        p->out->oom_kills = n;
}

static void add_memory(struct parser *p, char *line)
{
    long long used, limit;
    if (number(&used, word(&line), INT64_MAX))
        p->out->memory = used;
    if (number(&limit, word(&line), NO_LIMIT))
        p->out->memory_limit = limit;
}

static void add_full(struct parser *p, char *line)
{
    dmpi_strv_add(&p->out->full, line);
}

static void add_plan(struct parser *p, char *line)
{
    if (!p->out->plan && *line && strspn(line, "0123456789-:,") == strlen(line))
        p->out->plan = dmpi_xstrdup(line);
}

static void add_pause(struct parser *p, char *line)
{
    long long attempt, attempts;
    if (!number(&attempt, word(&line), PID_MAX) || !number(&attempts, word(&line), PID_MAX))
        return;
    p->out->attempt = (int)attempt;
    p->out->attempts = (int)attempts;
}

static void add_line(struct parser *p, char *line)
{
    static const struct {
        const char *key;
        void (*add)(struct parser *p, char *line);
    } keys[] = {{"proc", add_proc}, {"again", add_again}, {"stack", add_stack},
                {"fd", add_owner},  {"tcp", add_sock},    {"daemon", add_daemon},
                {"now", add_now},   {"oom", add_oom},     {"memory", add_memory},
                {"full", add_full}, {"plan", add_plan},   {"pause", add_pause}};

    if (strcmp(line, "dockmpi: why end") == 0)
        p->ended = true;
    const char *key = word(&line);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i].key, key) == 0) {
            keys[i].add(p, line);
            return;
        }
    }
}

int dmpi_why_parse(struct dmpi_why_look *out, const char *text, size_t len, struct dmpi_err *err)
{
    static const char head[] = "dockmpi: why 1\n";
    struct parser p = {.out = out};

    *out = (struct dmpi_why_look){.oom_kills = -1, .memory = -1, .memory_limit = -1};
    if (len < sizeof(head) - 1 || memcmp(text, head, sizeof(head) - 1) != 0)
        return dmpi_err_set(err, DMPI_EPARSE, "its shell does not run what looks at processes");
    for (const char *at = text, *end = text + len; at < end && !p.ended;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((stop ? stop : end) - at);
        dmpi_autofree char *line = dmpi_xstrndup(at, n);
        if (strlen(line) == n)
            add_line(&p, line);
        at += n + 1;
    }
    free(p.owners);
    if (!p.ended || p.looks < 2)
        return dmpi_err_set(err, DMPI_EPARSE, "what looks at processes did not come to its end");
    out->elapsed_ms = p.now[1] > p.now[0] ? (p.now[1] - p.now[0]) * 10 : 0;
    return 0;
}

void dmpi_why_look_free(struct dmpi_why_look *look)
{
    if (!look)
        return;
    for (size_t i = 0; i < look->n; i++) {
        free(look->procs[i].channel);
        free(look->procs[i].name);
        dmpi_strv_free(&look->procs[i].stack);
    }
    for (size_t i = 0; i < look->n_daemons; i++)
        free(look->daemons[i].name);
    free(look->procs);
    free(look->socks);
    free(look->daemons);
    free(look->plan);
    dmpi_strv_free(&look->full);
    *look = (struct dmpi_why_look){0};
}
