// SPDX-License-Identifier: MIT
#include "probe.h"

#include <sys/utsname.h>

#include "gpu.h"
#include "netif.h"
#include "sysfs.h"

int fab_probe(FILE *out, const char *python, bool full)
{
    struct fab_json json;
    struct utsname uts;
    char os[128] = "";
    FILE *release = fopen("/etc/os-release", "re");
    while (release && fgets(os, sizeof os, release) &&
           sscanf(os, "PRETTY_NAME=\"%127[^\"]", os) != 1)
        os[0] = '\0';
    if (release)
        fclose(release);
    uname(&uts);
    fab_json_init(&json, out);
    fab_json_obj(&json, NULL);
    fab_json_int(&json, "format", 1);
    fab_json_str(&json, "host", uts.nodename);
    fab_json_str(&json, "kernel", uts.release);
    fab_json_str(&json, "system", os);
    fab_netif_json(&json, "/sys");
    fab_gpu_json(&json, "/sys", "/proc");
    fab_mpi_json(&json);
    fab_ucx_json(&json);
    fab_libraries_json(&json);
    fab_torch_json(&json, python, full);
    fab_json_end(&json, '}');
    return fflush(out) == 0 ? 0 : 1;
}
