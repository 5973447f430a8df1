// SPDX-License-Identifier: MIT
#include "spec/script.h"

#include "base/json.h"
#include "spec/facts_sh.h"

// The tar comes padded to whole records, so tar reads exactly what the client sent and leaves the
// rest of standard input alone. To some tars an end of input in place of an archive is no error:
// hence the look at a file that it must have brought.
#define FEED_SH(file)                                                                              \
    "tar -xpf - -C / && [ -f /etc/dockmpi/" file " ] || { "                                        \
    "echo 'dockmpi: got no usable files from the client: it left too early, or there was no "      \
    "room' >&2; exit 97; }\n"

// clang-format off

// $1: sshd, or empty.
static const char worker_sh[] =
    DMPI_FACTS_SH
    "facts\n"
    FEED_SH("self.json")
    "s=${1:-$(command -v sshd || PATH=/usr/sbin:/usr/local/sbin:/sbin command -v sshd)}\n"
    "[ -x \"$s\" ] || { echo \"dockmpi: no sshd in this image${1:+ at $1}\" >&2; exit 98; }\n"
    "mkdir -p /run/sshd && chmod 0755 /run/sshd\n"
    "exec \"$s\" -D -e -f /etc/dockmpi/sshd_config </dev/null\n";

// sleep in the background, because a shell runs its traps only between commands.
static const char launcher_sh[] =
    DMPI_FACTS_SH
    "facts\n"
    FEED_SH("self.json")
    "trap 'exit 0' TERM INT\n"
    "echo '" DMPI_READY_LINE "'\n"
    "exec </dev/null\n"
    "while :; do sleep 3600 & wait $!; done\n";

static const char job_sh[] =
    FEED_SH("run-job")
    "exec sh /etc/dockmpi/run-job\n";

// clang-format on

static json_t *entrypoint(const char *script)
{
    json_t *arr = dmpi_json_new_arr();
    dmpi_json_add_str(arr, "/bin/sh");
    dmpi_json_add_str(arr, "-c");
    dmpi_json_add_str(arr, script);
    return arr;
}

json_t *dmpi_script_worker(const char *sshd)
{
    json_t *arr = entrypoint(worker_sh);
    dmpi_json_add_str(arr, "dockmpi-worker");
    dmpi_json_add_str(arr, sshd ? sshd : "");
    return arr;
}

json_t *dmpi_script_launcher(void)
{
    json_t *arr = entrypoint(launcher_sh);
    dmpi_json_add_str(arr, "dockmpi-launcher");
    return arr;
}

json_t *dmpi_script_job(void)
{
    json_t *arr = entrypoint(job_sh);
    dmpi_json_add_str(arr, "dockmpi-job");
    return arr;
}
