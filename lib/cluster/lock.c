// SPDX-License-Identifier: MIT
#include "cluster/lock.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strv.h"
#include "base/text.h"
#include "engine/resources.h"
#include "fleet/fleet.h"
#include "spec/labels.h"

#define LABEL_NONCE "io.dockmpi.lock"
#define LABEL_HOLDER "io.dockmpi.holder" // for people
#define LABEL_CLIENT "io.dockmpi.client" // see dmpi_lock_client
#define LABEL_UNTIL "io.dockmpi.until"   // seconds since the epoch
#define NONCE_HEX 33
#define CALL_MS 5000
#define FIRST_MS 10000 // for an engine that answers nobody: what follows says so
#define DROP_MS 10000  // one that stays is in the way of other machines until its time is over
#define PAUSE_MS 150
#define TELL_AFTER_MS 1000
#define START_FIELD 22 // of /proc/PID/stat

struct dmpi_lock {
    struct dmpi_engine *engine;
    char *volume;
};

// --- who we are, and who lives -------------------------------------------------------------------

// The start time of a process in the kernel's ticks, 0: there is no such process.
static unsigned long long start_of(long pid)
{
    struct dmpi_buf text DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(4096);
    struct dmpi_err ignored;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    if (dmpi_io_read_file(&text, path, 4096, &ignored) != 0)
        return 0;
    // The name, the second field, is in parentheses and may hold anything.
    const char *at = strrchr(dmpi_buf_str(&text), ')');
    for (int field = 2; at && field < START_FIELD; field++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    return at ? strtoull(at, NULL, 10) : 0;
}

// The kernel that runs and the namespace of our process ids: pids of another one say nothing.
static char *place(void)
{
    struct dmpi_buf boot DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(128);
    struct dmpi_err ignored;
    char pids[64];
    ssize_t n = readlink("/proc/self/ns/pid", pids, sizeof(pids) - 1);
    if (n <= 0 || dmpi_io_read_file(&boot, "/proc/sys/kernel/random/boot_id", 128, &ignored) != 0)
        return dmpi_xstrdup("unknown unknown");
    pids[n] = '\0';
    return dmpi_xasprintf("%.*s %s", (int)strcspn(dmpi_buf_str(&boot), "\n"), dmpi_buf_str(&boot),
                          pids);
}

char *dmpi_lock_client(void)
{
    dmpi_autofree char *where = place();
    return dmpi_xasprintf("%s %ld %llu", where, (long)getpid(), start_of((long)getpid()));
}

bool dmpi_lock_alive(const json_t *labels, int64_t now)
{
    const char *client = dmpi_json_str(labels, LABEL_CLIENT);
    const char *until = dmpi_json_str(labels, LABEL_UNTIL);
    dmpi_autofree char *here = place();
    size_t len = strlen(here);
    long pid = 0;
    unsigned long long start = 0;
    long long end = 0;
    if (!until || dmpi_text_int(&end, until, 0, INT64_MAX) != 0)
        return false;
    if (client && !dmpi_text_starts_with(here, "unknown") && strncmp(client, here, len) == 0 &&
        sscanf(client + len, " %ld %llu", &pid, &start) == 2 && start != 0)
        return start_of(pid) == start;
    return now < end;
}

static char *holder(const char *verb)
{
    char host[256] = "";
    const struct passwd *user = getpwuid(getuid());
    gethostname(host, sizeof(host) - 1);
    return dmpi_xasprintf("dockmpi %s of %s@%s, process %ld", verb, user ? user->pw_name : "?",
                          host, (long)getpid());
}

// --- the volumes ---------------------------------------------------------------------------------

static const json_t *labels_of(const json_t *volume)
{
    return dmpi_json_obj(volume, "Labels");
}

static bool is_lock_of(const json_t *volume, const char *cluster)
{
    const char *role = dmpi_json_str(labels_of(volume), DMPI_LABEL_ROLE);
    const char *of = dmpi_json_str(labels_of(volume), DMPI_LABEL_CLUSTER);
    return role && of && strcmp(role, DMPI_ROLE_LOCK) == 0 &&
           (!cluster || strcmp(of, cluster) == 0);
}

static char *volume_name(const char *cluster, int turn)
{
    return dmpi_xasprintf("dockmpi-%s-lock-%d", cluster, turn);
}

static int turn_of(const json_t *volume)
{
    const char *name = dmpi_json_str(volume, "Name");
    const char *dash = name ? strrchr(name, '-') : NULL;
    long long turn = 0;
    return dash && dmpi_text_int(&turn, dash + 1, 1, INT32_MAX - 1) == 0 ? (int)turn : 0;
}

// What the volumes of a cluster say.
struct look {
    char *alive; // the holder's words, or NULL
    char *name;  // of that lock
    int last;    // the highest turn
    struct dmpi_strv dead;
};

static void look_free(struct look *look)
{
    free(look->alive);
    free(look->name);
    dmpi_strv_free(&look->dead);
    *look = (struct look){0};
}

static void note(struct look *look, const json_t *volume)
{
    const char *name = dmpi_json_str(volume, "Name");
    if (turn_of(volume) > look->last)
        look->last = turn_of(volume);
    if (!dmpi_lock_alive(labels_of(volume), (int64_t)time(NULL))) {
        dmpi_strv_add(&look->dead, name ? name : "");
    } else if (!look->alive) {
        const char *who = dmpi_json_str(labels_of(volume), LABEL_HOLDER);
        look->alive = dmpi_text_print_safe(who ? who : "another client");
        look->name = dmpi_text_print_safe(name);
    }
}

// Locks of others: `own` (a volume's name, may be NULL) is left out.
static int look_around(struct look *out, struct dmpi_engine *engine, const char *cluster,
                       const char *own, const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    dmpi_json_auto json_t *list = NULL;
    *out = (struct look){0};
    if (dmpi_volume_list(engine, ctl, &list, err) != 0)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *volume = json_array_get(list, i);
        const char *name = dmpi_json_str(volume, "Name");
        if (is_lock_of(volume, cluster) && (!own || !name || strcmp(name, own) != 0))
            note(out, volume);
    }
    return 0;
}

// 1: ours now; 0: somebody else's; -1: *err.
static int make(struct dmpi_engine *engine, const char *volume, const struct dmpi_lock_wish *wish,
                const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    char nonce[NONCE_HEX];
    dmpi_random_hex(nonce, sizeof(nonce) / 2);
    dmpi_json_auto json_t *body = dmpi_json_new_obj(), *answer = NULL;
    dmpi_autofree char *who = holder(wish->verb), *client = dmpi_lock_client();
    dmpi_autofree char *until =
        dmpi_xasprintf("%lld", (long long)time(NULL) + (long long)wish->expect_ms / 1000);
    json_t *labels = dmpi_json_new_obj();
    dmpi_json_set_str(labels, DMPI_LABEL_CLUSTER, wish->cluster);
    dmpi_json_set_str(labels, DMPI_LABEL_ROLE, DMPI_ROLE_LOCK);
    dmpi_json_set_str(labels, LABEL_NONCE, nonce);
    dmpi_json_set_str(labels, LABEL_HOLDER, who);
    dmpi_json_set_str(labels, LABEL_CLIENT, client);
    dmpi_json_set_str(labels, LABEL_UNTIL, until);
    dmpi_json_set_str(body, "Name", volume);
    dmpi_json_set(body, "Labels", labels);
    if (dmpi_volume_create(engine, ctl, body, &answer, err) != 0)
        return -1;
    const char *got = dmpi_json_str(labels_of(answer), LABEL_NONCE);
    return got && strcmp(got, nonce) == 0;
}

static void drop(struct dmpi_engine *engine, const char *volume)
{
    struct dmpi_ctl own = dmpi_ctl_within(NULL, DROP_MS);
    struct dmpi_err err = DMPI_ERR_INIT;
    if (dmpi_volume_remove(engine, &own, volume, &err) != 0)
        dmpi_debug("volume %s: %s", volume, err.msg);
}

// --- taking it -------------------------------------------------------------------------------------

// Where the lock is, and who wants it.
struct place {
    struct dmpi_fleet *fleet;
    size_t node;
    struct dmpi_engine *engine;
    const struct dmpi_lock_wish *wish;
};

// One try. 1: taken, *volume is its name; 0: another client holds it, as *seen tells; -1: *err.
static int try(char **volume, struct look *seen, const struct place *at, int turn,
               const struct dmpi_ctl *ctl, struct dmpi_err *err)
{
    struct dmpi_engine *engine = at->engine;
    *volume = volume_name(at->wish->cluster, turn);
    dmpi_fleet_asked(at->fleet, at->node);
    int rc = make(engine, *volume, at->wish, ctl, err);
    const bool made = rc > 0;
    if (rc >= 0 &&
        look_around(seen, engine, at->wish->cluster, made ? *volume : NULL, ctl, err) != 0)
        rc = -1;
    dmpi_fleet_answered(at->fleet, at->node);
    if (rc > 0 && !seen->alive) {
        for (size_t i = 0; i < seen->dead.n; i++)
            drop(engine, seen->dead.v[i]);
        return 1;
    }
    if (made)
        drop(engine, *volume);
    free(DMPI_STEAL(*volume));
    return rc < 0 ? -1 : 0;
}

static int held(const struct dmpi_lock_wish *wish, const struct look *seen, struct dmpi_err *err)
{
    return dmpi_err_set(err, DMPI_ECONFLICT,
                        "cluster %s is being changed by %s: try again when that has ended, or wait "
                        "longer (--wait 10m); if that client is gone: `docker volume rm %s` on the "
                        "launcher's node",
                        wish->cluster, seen->alive ? seen->alive : "another client",
                        seen->name ? seen->name : "");
}

static int take(struct dmpi_lock **out, const struct place *at, const struct dmpi_ctl *ctl,
                struct dmpi_err *err)
{
    const struct dmpi_lock_wish *wish = at->wish;
    struct look seen = {0};
    char *volume = NULL;
    int64_t begin = dmpi_now_ms();
    bool met = false, told = false;
    int rc, turn = 1;
    const struct dmpi_ctl patience = dmpi_ctl_within(ctl, wish->wait_ms + CALL_MS);
    const struct dmpi_ctl first = dmpi_ctl_within(&patience, FIRST_MS);
    while ((rc = try(&volume, &seen, at, turn, met ? &patience : &first, err)) == 0) {
        // A dead one is in the way only as long as it has the highest turn.
        turn = seen.alive ? 1 : seen.last + 1;
        met = met || seen.alive;
        if (seen.alive && dmpi_now_ms() - begin >= wish->wait_ms) {
            rc = held(wish, &seen, err);
            look_free(&seen);
            return rc;
        }
        if (seen.alive && !told && dmpi_now_ms() - begin >= TELL_AFTER_MS) {
            dmpi_warn("waiting for %s, which is changing cluster %s", seen.alive, wish->cluster);
            told = true;
        }
        // Two that withdrew for each other do not meet again at the same moment.
        unsigned char dice = 0;
        dmpi_random_bytes(&dice, 1);
        bool wait = seen.alive != NULL;
        look_free(&seen);
        if (wait && dmpi_ctl_sleep(ctl, PAUSE_MS + dice % PAUSE_MS, err) != 0)
            return -1;
    }
    look_free(&seen);
    if (rc > 0) {
        *out = dmpi_xcalloc(1, sizeof(**out));
        **out = (struct dmpi_lock){.engine = at->engine, .volume = volume};
        return 0;
    }
    if (met || err->code == DMPI_ECANCELED || dmpi_ctl_check(ctl, err) != 0)
        return -1;
    dmpi_debug("cluster %s is changed without a lock: %s", wish->cluster, err->msg);
    *err = (struct dmpi_err)DMPI_ERR_INIT;
    return 0;
}

int dmpi_lock_take(struct dmpi_lock **out, struct dmpi_fleet *fleet, size_t node,
                   const struct dmpi_lock_wish *wish, const struct dmpi_ctl *ctl,
                   struct dmpi_err *err)
{
    struct place at = {.fleet = fleet, .node = node, .wish = wish};
    struct dmpi_err ignored = DMPI_ERR_INIT; // what follows meets the same
    *out = NULL;
    if (dmpi_fleet_engine(&at.engine, fleet, node, ctl, &ignored) != 0)
        return 0;
    return take(out, &at, ctl, err);
}

void dmpi_lock_release(struct dmpi_lock *lock)
{
    if (!lock)
        return;
    drop(lock->engine, lock->volume);
    free(lock->volume);
    free(lock);
}

int dmpi_lock_check(struct dmpi_engine *engine, const char *cluster, const struct dmpi_ctl *ctl,
                    struct dmpi_err *err)
{
    struct look seen = {0};
    struct dmpi_ctl within = dmpi_ctl_within(ctl, CALL_MS);
    if (look_around(&seen, engine, cluster, NULL, &within, err) != 0)
        return err->code == DMPI_ECANCELED ? -1 : 0; // nobody could make one there, either
    int rc = 0;
    if (seen.alive)
        rc = dmpi_err_set(err, DMPI_ECONFLICT,
                          "cluster %s is being changed by %s: run it again when that has ended",
                          cluster, seen.alive);
    look_free(&seen);
    return rc;
}

void dmpi_lock_sweep(struct dmpi_engine *engine, const char *cluster, const struct dmpi_ctl *ctl)
{
    dmpi_json_auto json_t *list = NULL;
    struct dmpi_err ignored = DMPI_ERR_INIT;
    if (dmpi_volume_list(engine, ctl, &list, &ignored) != 0)
        return;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *volume = json_array_get(list, i);
        const char *name = dmpi_json_str(volume, "Name");
        if (name && is_lock_of(volume, cluster) &&
            (!cluster || !dmpi_lock_alive(labels_of(volume), (int64_t)time(NULL))))
            drop(engine, name);
    }
}
