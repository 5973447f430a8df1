// SPDX-License-Identifier: MIT
#include "job/sync.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/tar.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"
#include "job/pack.h"
#include "job/pipe.h"

#define RECORD_MAX ((size_t)64 * 1024)

// $1 the destination, $2 the length of the list of names that comes first on standard input. Says what
// is there, as records that end in NUL: "=TYPE MODE SIZE TIME NAME", and "!" when done. Then comes a
// line with the length of a second list, of files that it says "HASH  NAME" of, and "!" again; then it
// unpacks what follows. Names never become words of the shell. A tool that the image lacks only means
// that everything is sent.
static const char SYNC_SH[] =
    "mkdir -p -- \"$1\" && cd -- \"$1\" || exit 1\n"
    "head -c \"$2\" | xargs -0 -r sh -c 'find \"$@\" -maxdepth 0 -printf \"=%y%m %s %T@ %p\\0\"' "
    "sh "
    "2>/dev/null\n"
    "printf '!\\000'\n"
    "read -r n && head -c \"$n\" | xargs -0 -r sha256sum -z -- 2>/dev/null\n"
    "printf '!\\000'\n"
    "exec tar -xpf -\n";

// What was found out about an entry. A file of the same size and time, to the nanosecond, is the same;
// one of the same size and another time is asked for its hash.
enum { SAME_KIND = 1, SAME_CONTENT = 2, SAME_SIZE = 4 };

struct sync {
    struct dmpi_manifest *manifest;
    pthread_mutex_t hashing;                   // of its hashes
    const struct dmpi_manifest_entry **sorted; // by path
    struct dmpi_buf names;                     // "./path" NUL ...
    const char *dest;
    struct dmpi_fleet *fleet;
    const struct dmpi_targets *targets;
    const struct dmpi_transfer_progress *progress;
    const struct dmpi_ctl *ctl;
    pthread_mutex_t lock; // of the progress and of result
    struct dmpi_sync_result *result;
    struct dmpi_err *errs; // one a target
};

// One container's part.
struct part {
    struct sync *sync;
    unsigned char *same; // SAME_* for each entry of the manifest
    struct dmpi_buf record;
    bool answered; // to what was asked last
    size_t next;   // entry to pack
    struct dmpi_pack pack;
    struct dmpi_meter meter;
    char *local; // path of the item being packed
};

// --- what is there ---------------------------------------------------------------------------

static int by_path(const void *a, const void *b)
{
    const struct dmpi_manifest_entry *const *x = a, *const *y = b;
    return strcmp((*x)->path, (*y)->path);
}

// Index of the entry with that path, -1 for one that we did not ask for.
static long find_entry(const struct sync *sync, const char *path)
{
    const struct dmpi_manifest_entry key = {.path = (char *)path}, *wanted = &key;
    const struct dmpi_manifest_entry **found =
        bsearch(&wanted, sync->sorted, sync->manifest->n, sizeof(*sync->sorted), by_path);
    return found ? (long)(*found - sync->manifest->v) : -1;
}

static char type_letter(char tar_type)
{
    return tar_type == DMPI_TAR_DIR ? 'd' : tar_type == DMPI_TAR_SYMLINK ? 'l' : 'f';
}

// Whether text begins with that time, as "1763740800.1234567890"; *end is what follows.
static bool is_time(const char *text, const struct timespec *time, char **end)
{
    long long seconds = strtoll(text, end, 10);
    unsigned long ns = 0, unit = 100000000;
    if (**end == '.')
        for ((*end)++; **end >= '0' && **end <= '9'; (*end)++, unit /= 10)
            ns += (unsigned long)(**end - '0') * unit;
    return seconds == (long long)time->tv_sec && ns == (unsigned long)time->tv_nsec;
}

// "=f644 12 1763740800.1234567890 ./a/b"
static void note_kind(struct part *part, const char *record)
{
    char *at = NULL;
    unsigned long mode = strtoul(record + 2, &at, 8);
    unsigned long long size = strtoull(at, &at, 10);
    const char *time = at, *name = strstr(at, " ./");
    long i = name ? find_entry(part->sync, name + 3) : -1;
    if (i < 0)
        return;
    const struct dmpi_manifest_entry *entry = &part->sync->manifest->v[i];
    if (record[1] != type_letter(entry->type) || mode != entry->mode)
        return;
    part->same[i] |= SAME_KIND;
    if (size == entry->size)
        part->same[i] |= is_time(time, &entry->mtime, &at) ? SAME_CONTENT : SAME_SIZE;
}

// "HASH  ./a/b"
static void note_hash(struct part *part, const char *record)
{
    const size_t len = DMPI_SHA256_HEX - 1;
    if (strlen(record) < len + 4 || strncmp(record + len, "  ./", 4) != 0)
        return;
    long i = find_entry(part->sync, record + len + 4);
    if (i < 0 || part->sync->manifest->v[i].type != DMPI_TAR_FILE)
        return;
    pthread_mutex_lock(&part->sync->hashing);
    const char *own = dmpi_manifest_hash(part->sync->manifest, (size_t)i);
    if (own && strncmp(own, record, len) == 0)
        part->same[i] |= SAME_CONTENT;
    pthread_mutex_unlock(&part->sync->hashing);
}

static int take_answer(void *arg, const void *data, size_t n, struct dmpi_err *err)
{
    struct part *part = arg;
    const char *p = data;
    while (n > 0) {
        const char *end = memchr(p, '\0', n);
        size_t len = end ? (size_t)(end - p) : n;
        dmpi_buf_add(&part->record, p, len);
        if (part->record.overflow)
            return dmpi_err_set(err, DMPI_EPARSE, "an answer without end");
        p += len + (end != NULL);
        n -= len + (end != NULL);
        if (!end)
            continue;
        const char *record = dmpi_buf_str(&part->record);
        if (record[0] == '=')
            note_kind(part, record);
        else if (strcmp(record, "!") == 0)
            part->answered = true;
        else
            note_hash(part, record);
        dmpi_buf_clear(&part->record);
    }
    return 0;
}

// --- what is sent ----------------------------------------------------------------------------

static bool is_same(const struct part *part, size_t i)
{
    const unsigned need =
        part->sync->manifest->v[i].type == DMPI_TAR_FILE ? SAME_KIND | SAME_CONTENT : SAME_KIND;
    return part->sync->manifest->v[i].type != DMPI_TAR_SYMLINK && (part->same[i] & need) == need;
}

static int next_item(void *arg, struct dmpi_pack_item *item, struct dmpi_err *err)
{
    (void)err;
    struct part *part = arg;
    const struct dmpi_manifest *m = part->sync->manifest;
    while (part->next < m->n && is_same(part, part->next))
        part->next++;
    if (part->next == m->n)
        return 0;
    const struct dmpi_manifest_entry *entry = &m->v[part->next++];
    free(part->local);
    part->local = dmpi_manifest_local(m, (size_t)(entry - m->v));
    *item = (struct dmpi_pack_item){.path = entry->path,
                                    .dirfd = AT_FDCWD,
                                    .name = part->local,
                                    .follow = part->next == 1,
                                    .precise = true};
    item->st.st_mode = (mode_t)entry->mode | (entry->type == DMPI_TAR_DIR       ? S_IFDIR
                                              : entry->type == DMPI_TAR_SYMLINK ? S_IFLNK
                                                                                : S_IFREG);
    item->st.st_mtim = entry->mtime;
    return 1;
}

static ssize_t read_pack(void *arg, void *buf, size_t n, struct dmpi_err *err)
{
    struct part *part = arg;
    struct dmpi_source source = dmpi_pack_source(&part->pack);
    ssize_t got = source.read(source.arg, buf, n, err);
    dmpi_meter_tell(&part->meter, part->pack.bytes, false);
    return got;
}

static uint64_t missing_bytes(const struct part *part)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < part->sync->manifest->n; i++)
        bytes += is_same(part, i) ? 0 : part->sync->manifest->v[i].size;
    return bytes;
}

static void count(struct part *part)
{
    struct sync *sync = part->sync;
    dmpi_meter_tell(&part->meter, part->pack.bytes, true);
    pthread_mutex_lock(&sync->lock);
    sync->result->sent += part->pack.files;
    sync->result->bytes += part->pack.bytes;
    pthread_mutex_unlock(&sync->lock);
}

// Sends a question; with `wait` returns when it is answered.
static int ask(struct part *part, struct dmpi_pipe *pipe, const struct dmpi_buf *question,
               bool wait, struct dmpi_err *err)
{
    const struct dmpi_ctl *ctl = part->sync->ctl;
    struct dmpi_memory memory = {.data = question->data, .len = question->len};
    struct dmpi_source source = dmpi_source_from_memory(&memory);
    if (wait)
        part->answered = false;
    if (dmpi_pipe_send(pipe, &source, ctl, err) < 0)
        return -1;
    return !wait ? 0 : dmpi_pipe_receive(pipe, &part->answered, ctl, err);
}

// Asks for the hashes of files that may be the same.
static int ask_hashes(struct part *part, struct dmpi_pipe *pipe, struct dmpi_err *err)
{
    const struct dmpi_manifest *m = part->sync->manifest;
    struct dmpi_buf names DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(SIZE_MAX / 2);
    struct dmpi_buf question DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(SIZE_MAX / 2);
    for (size_t i = 0; i < m->n; i++) {
        if (m->v[i].type != DMPI_TAR_FILE || !(part->same[i] & SAME_SIZE))
            continue;
        dmpi_buf_adds(&names, "./");
        dmpi_buf_add(&names, m->v[i].path, strlen(m->v[i].path) + 1);
    }
    dmpi_buf_addf(&question, "%zu\n", names.len);
    if (names.len > 0)
        dmpi_buf_add(&question, names.data, names.len);
    return ask(part, pipe, &question, names.len > 0, err);
}

static int converse(struct part *part, struct dmpi_pipe *pipe, struct dmpi_err *err)
{
    const struct sync *sync = part->sync;
    if (ask(part, pipe, &sync->names, true, err) < 0 ||
        (part->answered && ask_hashes(part, pipe, err) < 0))
        return -1;
    part->meter.total = missing_bytes(part);
    struct dmpi_source tar = {.read = read_pack, .arg = part};
    if (part->answered && dmpi_pipe_send(pipe, &tar, sync->ctl, err) < 0)
        return -1;
    return dmpi_pipe_finish(pipe, "tar", sync->ctl, err);
}

static int sync_once(struct part *part, const struct dmpi_target *target,
                     struct dmpi_engine *engine, struct dmpi_err *err)
{
    const struct sync *sync = part->sync;
    struct dmpi_strv argv DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    const char *const words[] = {"sh", "-c", SYNC_SH, "sh", sync->dest};
    dmpi_strv_add_array(&argv, words, DMPI_ARRAY_LEN(words));
    dmpi_strv_addf(&argv, "%zu", sync->names.len);
    struct dmpi_sink sink = {.write = take_answer, .arg = part};
    struct dmpi_pipe pipe;
    int rc = dmpi_pipe_open(&pipe, engine, target->id, &argv, false, &sink, sync->ctl, err);
    if (rc == 0)
        rc = converse(part, &pipe, err);
    dmpi_pipe_close(&pipe);
    return rc;
}

static int sync_target(struct sync *sync, const struct dmpi_target *target, struct dmpi_err *err)
{
    struct dmpi_engine *engine;
    if (dmpi_fleet_engine(&engine, sync->fleet, target->node, sync->ctl, err) < 0)
        return -1;
    struct part part = {
        .sync = sync,
        .record = DMPI_BUF_INIT(RECORD_MAX),
        .same = dmpi_xcalloc(sync->manifest->n, 1),
        .meter = {.progress = sync->progress, .lock = &sync->lock, .container = target->container},
    };
    dmpi_pack_init(&part.pack, next_item, &part);
    int rc = sync_once(&part, target, engine, err);
    if (rc == 0)
        count(&part);
    dmpi_pack_free(&part.pack);
    dmpi_buf_free(&part.record);
    free(part.same);
    free(part.local);
    return rc;
}

// Workers may share the folder (a volume) and then write the same files at the same time: a second
// look finds them complete.
static void sync_item(size_t i, void *arg)
{
    struct sync *sync = arg;
    const struct dmpi_target *target = &sync->targets->v[i];
    struct dmpi_err *err = &sync->errs[i];
    int rc = sync_target(sync, target, err);
    if (rc < 0 && err->code == DMPI_EENGINE)
        rc = sync_target(sync, target, err);
    dmpi_fleet_rest(sync->fleet, target->node);
    if (rc < 0)
        dmpi_err_wrap(err, "%s on node %s: put %s into %s", target->alias,
                      dmpi_fleet_name(sync->fleet, target->node), sync->manifest->local,
                      sync->dest);
    else
        err->code = DMPI_OK;
}

static void list_names(struct sync *sync)
{
    const struct dmpi_manifest *m = sync->manifest;
    sync->sorted = dmpi_xreallocarray(NULL, m->n, sizeof(*sync->sorted));
    sync->names = (struct dmpi_buf)DMPI_BUF_INIT(SIZE_MAX / 2);
    for (size_t i = 0; i < m->n; i++) {
        sync->sorted[i] = &m->v[i];
        dmpi_buf_adds(&sync->names, "./");
        dmpi_buf_add(&sync->names, m->v[i].path, strlen(m->v[i].path) + 1);
    }
    qsort(sync->sorted, m->n, sizeof(*sync->sorted), by_path);
}

int dmpi_sync(struct dmpi_manifest *manifest, const char *dest, struct dmpi_fleet *fleet,
              const struct dmpi_targets *targets, const struct dmpi_transfer_progress *progress,
              const struct dmpi_ctl *ctl, struct dmpi_sync_result *result, struct dmpi_err *err)
{
    *result = (struct dmpi_sync_result){.files = manifest->files};
    struct sync sync = {.manifest = manifest,
                        .dest = dest,
                        .fleet = fleet,
                        .targets = targets,
                        .progress = progress,
                        .ctl = ctl,
                        .result = result};
    pthread_mutex_init(&sync.lock, NULL);
    pthread_mutex_init(&sync.hashing, NULL);
    list_names(&sync);
    sync.errs = dmpi_xcalloc(targets->n, sizeof(*sync.errs));
    dmpi_parallel(targets->n, DMPI_FLEET_WINDOW, sync_item, &sync);
    int rc = 0;
    for (size_t i = 0; i < targets->n && rc == 0; i++) {
        if (sync.errs[i].code == DMPI_OK)
            continue;
        *err = sync.errs[i];
        rc = -1;
    }
    free(sync.errs);
    free(sync.sorted);
    dmpi_buf_free(&sync.names);
    pthread_mutex_destroy(&sync.lock);
    pthread_mutex_destroy(&sync.hashing);
    return rc;
}
