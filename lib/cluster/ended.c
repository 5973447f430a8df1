// SPDX-License-Identifier: MIT
#include "cluster/ended.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/tar.h"
#include "engine/containers.h"
#include "mesh/files.h"

#define NOTE DMPI_ENDED_DIR "/ended"
#define ASK_MS ((int64_t)5000)

// The note's text; NULL when there is none. Owned by the caller.
static char *read_note(struct dmpi_engine *engine, const char *id, const struct dmpi_ctl *ctl)
{
    dmpi_json_auto json_t *stat = NULL;
    struct dmpi_err ignored;
    struct dmpi_ctl within = dmpi_ctl_within(ctl, ASK_MS);
    if (dmpi_container_stat(engine, &within, id, NOTE, &stat, &ignored) < 0)
        return NULL;
    // Engines tell the target as a path from the container's root.
    const char *target = dmpi_json_str(stat, "linkTarget");
    const char *slash = target ? strrchr(target, '/') : NULL;
    return dmpi_xstrdup(slash ? slash + 1 : target ? target : "");
}

// Those of the signals that the job's container heeds, of KILL, and of its own clock.
static bool may_be_asked(int code)
{
    return code == DMPI_EXIT_TIMEOUT || code == DMPI_EXIT_TERM || code == 128 + SIGHUP ||
           code == 128 + SIGINT || code == 128 + SIGKILL;
}

const char *dmpi_ended_word(struct dmpi_engine *engine, const char *id, int code,
                            const struct dmpi_ctl *ctl)
{
    if (code == 0)
        return "succeeded";
    dmpi_autofree char *note = may_be_asked(code) ? read_note(engine, id, ctl) : NULL;
    if (!note)
        return "failed";
    return code == DMPI_EXIT_TIMEOUT ? "timeout" : "canceled";
}

bool dmpi_ended_counts(int *heeded, int *killed, struct dmpi_engine *engine, const char *id,
                       const struct dmpi_ctl *ctl)
{
    char rest;
    dmpi_autofree char *note = read_note(engine, id, ctl);
    return note && sscanf(note, "%9d-%9d%c", heeded, killed, &rest) == 2;
}

void dmpi_ended_note(struct dmpi_engine *engine, const char *id, const struct dmpi_ctl *ctl)
{
    struct dmpi_tar_writer tar;
    struct dmpi_buf out DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(16U << 10);
    const struct dmpi_tar_entry entry = {
        .path = &NOTE[1], .type = DMPI_TAR_SYMLINK, .mode = 0777, .linkname = "asked"};
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_ctl within = dmpi_ctl_within(ctl, ASK_MS);
    dmpi_tar_writer_init(&tar, dmpi_tar_write_buf, &out);
    if (dmpi_tar_add_data(&tar, &entry, NULL, &err) == 0 && dmpi_tar_finish(&tar, &err) == 0) {
        struct dmpi_memory memory = {.data = out.data, .len = out.len};
        struct dmpi_source source = dmpi_source_from_memory(&memory);
        if (dmpi_container_put_archive(engine, &within, id, "/", &source, &err) == 0)
            return;
    }
    dmpi_debug("that the job was canceled could not be noted: %s", err.msg);
}

int dmpi_ended_kept(struct dmpi_engine *engine, const char *id, const struct dmpi_ctl *ctl,
                    struct dmpi_err *err)
{
    dmpi_json_auto json_t *info = NULL;
    struct dmpi_err other;
    struct dmpi_ctl within = dmpi_ctl_within(ctl, ASK_MS);
    int rc = dmpi_container_inspect(engine, &within, id, &info, &other);
    const char *status = dmpi_json_str(dmpi_json_obj(info, "State"), "Status");
    bool going = status && (strcmp(status, "removing") == 0 || strcmp(status, "dead") == 0);
    if (!going && (rc == 0 || other.code != DMPI_ENOTFOUND))
        return 0;
    return dmpi_err_set(err, DMPI_ENOTFOUND,
                        "its container was removed while it ran: by `down`, or by hand with "
                        "`docker rm`");
}
