// SPDX-License-Identifier: MIT
#include "spec/script.h"

#include "base/json.h"
#include "base/mem.h"

// clang-format off

const char dmpi_ports_sh[] =
#include "spec/ports.sh.inc"
    "ports_alone\n";

const char dmpi_facts_sh[] =
#include "spec/ports.sh.inc"
#include "spec/facts.sh.inc"
    "facts\n";

static const char worker_sh[] =
#include "spec/ports.sh.inc"
#include "spec/facts.sh.inc"
#include "spec/feed.sh.inc"
#include "spec/ttl.sh.inc"
#include "spec/worker.sh.inc"
    ;

static const char launcher_sh[] =
#include "spec/ports.sh.inc"
#include "spec/facts.sh.inc"
#include "spec/feed.sh.inc"
#include "spec/ttl.sh.inc"
#include "spec/launcher.sh.inc"
    ;

static const char job_sh[] =
#include "spec/feed.sh.inc"
#include "spec/job.sh.inc"
    ;

// clang-format on

static json_t *entrypoint(const char *script)
{
    json_t *arr = dmpi_json_new_arr();
    dmpi_json_add_str(arr, "/bin/sh");
    dmpi_json_add_str(arr, "-c");
    dmpi_json_add_str(arr, script);
    return arr;
}

static void add_seconds(json_t *arr, int64_t s)
{
    dmpi_autofree char *text = dmpi_xasprintf("%lld", (long long)s);
    dmpi_json_add_str(arr, text);
}

json_t *dmpi_script_worker(int64_t ttl_s, const char *sshd, const struct dmpi_strv *devices)
{
    json_t *arr = entrypoint(worker_sh);
    dmpi_json_add_str(arr, "dockmpi-worker");
    add_seconds(arr, ttl_s);
    dmpi_json_add_str(arr, sshd ? sshd : "");
    for (size_t i = 0; devices && i < devices->n; i++)
        dmpi_json_add_str(arr, devices->v[i]);
    return arr;
}

json_t *dmpi_script_launcher(int64_t ttl_s)
{
    json_t *arr = entrypoint(launcher_sh);
    dmpi_json_add_str(arr, "dockmpi-launcher");
    add_seconds(arr, ttl_s);
    return arr;
}

json_t *dmpi_script_job(void)
{
    json_t *arr = entrypoint(job_sh);
    dmpi_json_add_str(arr, "dockmpi-job");
    return arr;
}
