// SPDX-License-Identifier: MIT
#include "mesh/files.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/tar.h"

// After all engines' epochs and before any clock of today, so that tar never complains.
#define FILES_MTIME 1735689600
#define KEY_FILE_MAX 4096

struct files {
    struct dmpi_tar_writer tar;
    struct dmpi_err *err;
    int rc; // sticky
};

static void add(struct files *f, const char *path, char type, uint32_t mode, const void *data,
                size_t len)
{
    const struct dmpi_tar_entry entry = {
        .path = path, .type = type, .mode = mode, .mtime = FILES_MTIME, .size = len};

    if (f->rc == 0)
        f->rc = dmpi_tar_add_data(&f->tar, &entry, data, f->err);
}

static void add_file(struct files *f, const char *path, uint32_t mode, const char *text)
{
    add(f, path, DMPI_TAR_FILE, mode, text, strlen(text));
}

static void add_made(struct files *f, const char *path, uint32_t mode, char *text)
{
    add_file(f, path, mode, text);
    free(text);
}

static void add_key(struct files *f, const char *path, const struct dmpi_key *key)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT_SECRET(KEY_FILE_MAX);

    dmpi_key_openssh_private(&text, key, "dockmpi");
    add(f, path, DMPI_TAR_FILE, 0600, text.data, text.len);
}

// Follows from the cluster's key, so that it needs no place of its own; the key does not follow from it.
static void add_daemon_key(struct files *f, const struct dmpi_key *key)
{
    static const char purpose[] = "dockmpi daemon_key";
    char hex[DMPI_SHA256_HEX];
    struct dmpi_sha256 h;

    dmpi_sha256_init(&h);
    dmpi_sha256_update(&h, purpose, sizeof(purpose));
    dmpi_sha256_update(&h, key->seed, sizeof(key->seed));
    dmpi_sha256_final_hex(&h, hex);
    add(f, "etc/dockmpi/daemon_key", DMPI_TAR_FILE, 0600, hex, strlen(hex));
    dmpi_secret_wipe(hex, sizeof(hex));
    dmpi_secret_wipe(&h, sizeof(h));
}

static void begin(struct files *f, struct dmpi_buf *out, struct dmpi_err *err)
{
    *f = (struct files){.err = err};
    dmpi_tar_writer_init(&f->tar, dmpi_tar_write_buf, out);
}

static int finish(struct files *f)
{
    if (f->rc == 0)
        f->rc = dmpi_tar_finish(&f->tar, f->err);
    return f->rc == 0 ? 0 : dmpi_err_wrap(f->err, "files of the mesh");
}

// What is needed to reach every worker, and for mpirun and its launch daemons to know each other.
static void add_client(struct files *f, const struct dmpi_mesh *mesh)
{
    dmpi_autofree char *ssh_config = dmpi_mesh_ssh_config(mesh);

    add_key(f, "etc/dockmpi/id_ed25519", &mesh->key);
    add_daemon_key(f, &mesh->key);
    add_file(f, "etc/dockmpi/daemon", 0644, dmpi_mesh_daemon_sh);
    add_made(f, "etc/dockmpi/known_hosts", 0600, dmpi_mesh_known_hosts(mesh));
    add_file(f, "etc/dockmpi/ssh_config", 0600, ssh_config);
    if (mesh->unprivileged) // there it was linked when the container was made
        return;
    add(f, "root/.ssh", DMPI_TAR_DIR, 0700, NULL, 0);
    add_file(f, "root/.ssh/config", 0600, ssh_config);
}

static char *self_json(const struct dmpi_mesh_shared *shared, int index)
{
    dmpi_json_auto json_t *self = dmpi_json_new_obj();

    dmpi_json_set_str(self, "mesh", shared->mesh->id);
    dmpi_json_set_str(self, "digest", shared->digest);
    dmpi_json_set_str(self, "role", index < 0 ? "launcher" : "worker");
    dmpi_json_set_int(self, "index", index);
    return dmpi_json_dump(self);
}

static char *mesh_json(const struct dmpi_mesh *mesh)
{
    dmpi_json_auto json_t *json = dmpi_mesh_to_json(mesh);

    return dmpi_json_dump(json);
}

int dmpi_mesh_share(struct dmpi_mesh_shared *out, const struct dmpi_mesh *mesh,
                    struct dmpi_err *err)
{
    struct files f;

    *out = (struct dmpi_mesh_shared){.mesh = mesh, .tar = DMPI_BUF_INIT_SECRET(DMPI_MESH_TAR_MAX)};
    dmpi_mesh_digest(mesh, out->digest);
    begin(&f, &out->tar, err);
    add_client(&f, mesh);
    add_made(&f, "etc/dockmpi/mesh.json", 0600, mesh_json(mesh));
    add_file(&f, "etc/dockmpi/rank", 0644, dmpi_mesh_rank_sh);
    out->writer = f.tar;
    return f.rc == 0 ? 0 : dmpi_err_wrap(err, "files of the mesh");
}

void dmpi_mesh_shared_free(struct dmpi_mesh_shared *shared)
{
    if (shared)
        dmpi_secret_buf_free(&shared->tar);
}

// A member's archive where the shared part of it ends.
static void go_on(struct files *f, struct dmpi_buf *out, const struct dmpi_mesh_shared *shared,
                  struct dmpi_err *err)
{
    *f = (struct files){.tar = shared->writer, .err = err};
    f->tar.arg = out;
}

// self.json comes last: where it is, the rest is.
static void add_member(struct files *f, const struct dmpi_mesh_shared *shared, int index)
{
    const struct dmpi_mesh *mesh = shared->mesh;

    if (index >= 0) {
        const struct dmpi_mesh_worker *w = dmpi_mesh_find(mesh, index);
        char *line = dmpi_key_public_line(&mesh->key, "dockmpi");

        add_made(f, "etc/dockmpi/authorized_keys", 0600, dmpi_xasprintf("%s\n", line));
        add_made(f, "etc/dockmpi/index", 0644, dmpi_xasprintf("%d %s\n", index, w->profile));
        free(line);
    }
    add_made(f, "etc/dockmpi/self.json", 0600, self_json(shared, index));
}

static int check_index(const struct dmpi_mesh *mesh, int index, struct dmpi_err *err)
{
    if (index < 0 || dmpi_mesh_find(mesh, index))
        return 0;
    return dmpi_err_set(err, DMPI_ENOTFOUND, "worker-%d is not in the mesh", index);
}

int dmpi_mesh_tar_worker(struct dmpi_buf *out, const struct dmpi_mesh_shared *shared, int index,
                         const struct dmpi_mesh_local *local, struct dmpi_err *err)
{
    const struct dmpi_mesh_worker *w = dmpi_mesh_find(shared->mesh, index);
    struct files f;

    if (!w)
        return dmpi_err_set(err, DMPI_ENOTFOUND, "worker-%d is not in the mesh", index);
    go_on(&f, out, shared, err);
    add_key(&f, "etc/dockmpi/host_key", local->host_key);
    add_made(&f, "etc/dockmpi/sshd_config", 0600, dmpi_mesh_sshd_config(w, local->facts));
    add_made(&f, "etc/dockmpi/env", 0600, dmpi_mesh_rank_env(w, local->facts));
    if (!shared->mesh->unprivileged)
        add(&f, "run/sshd", DMPI_TAR_DIR, 0755, NULL, 0); // where sshd locks its children in
    add_member(&f, shared, index);
    return finish(&f);
}

int dmpi_mesh_tar_launcher(struct dmpi_buf *out, const struct dmpi_mesh_shared *shared,
                           struct dmpi_err *err)
{
    struct files f;

    go_on(&f, out, shared, err);
    add_member(&f, shared, -1);
    return finish(&f);
}

int dmpi_mesh_tar_update(struct dmpi_buf *out, const struct dmpi_mesh_shared *shared, int index,
                         struct dmpi_err *err)
{
    struct files f;

    if (check_index(shared->mesh, index, err) != 0)
        return -1;
    go_on(&f, out, shared, err);
    add_member(&f, shared, index);
    return finish(&f);
}

int dmpi_mesh_tar_job(struct dmpi_buf *out, const struct dmpi_mesh *mesh, const char *hostfile,
                      const char *job, struct dmpi_err *err)
{
    struct files f;

    begin(&f, out, err);
    add_client(&f, mesh);
    // A rank that mpirun starts here tells so.
    add_file(&f, "etc/dockmpi/rank", 0644, dmpi_mesh_rank_sh);
    add_file(&f, "etc/dockmpi/index", 0644, "launcher -\n");
    add_file(&f, "etc/dockmpi/hostfile", 0644, hostfile);
    add_file(&f, "etc/dockmpi/job", 0600, job);
    add_file(&f, "etc/dockmpi/end", 0644, dmpi_mesh_end_sh);
    add_file(&f, "etc/dockmpi/run-job", 0644, dmpi_mesh_run_job_sh);
    return finish(&f);
}

int dmpi_mesh_tar_client(struct dmpi_buf *out, const struct dmpi_mesh *mesh, struct dmpi_err *err)
{
    struct files f;

    begin(&f, out, err);
    add_client(&f, mesh);
    return finish(&f);
}
