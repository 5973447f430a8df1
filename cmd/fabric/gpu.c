// SPDX-License-Identifier: MIT
#include "gpu.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "sysfs.h"

#define GPUS_MAX 64
#define PREFETCHABLE 0x2000 // flags of the kernel's ioport.h: IORESOURCE_PREFETCH
#define DISPLAY 0x03     // class of PCI devices; a GPU without outputs (3D controller) has it too
#define ACCELERATOR 0x12 // "processing accelerator", as AMD's for data centres

const char *fab_gpu_vendor(unsigned vendor)
{
    return vendor == 0x10de   ? "NVIDIA"
           : vendor == 0x1002 ? "AMD"
           : vendor == 0x8086 ? "Intel"
                              : NULL;
}

int fab_gpu_large_bar(const struct fab_gpu *gpu)
{
    if (gpu->memory <= 0)
        return -1;
    if (gpu->visible > 0)
        return gpu->visible >= gpu->memory;
    // Some megabytes of the memory are the firmware's: an aperture of the next power of two is all.
    return gpu->aperture > 0 ? gpu->aperture >= gpu->memory : -1;
}

// The file has a line for each region: first address, last address, flags.
static long long aperture(const char *sys, const char *bus)
{
    char path[PATH_MAX], line[128];
    long long most = 0;
    snprintf(path, sizeof path, "%s/bus/pci/devices/%s/resource", sys, bus);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        char *at;
        unsigned long long first = strtoull(line, &at, 16);
        unsigned long long last = strtoull(at, &at, 16), flags = strtoull(at, NULL, 16);
        if (flags & PREFETCHABLE && last > first && (long long)(last - first) >= most)
            most = (long long)(last - first) + 1;
    }
    if (file)
        fclose(file);
    return most;
}

// "Model: \t\t Tesla T4" in the NVIDIA driver's own file.
static void nvidia_model(char *out, size_t room, const char *proc, const char *bus)
{
    char path[PATH_MAX], line[256];
    snprintf(path, sizeof path, "%s/driver/nvidia/gpus/%s/information", proc, bus);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "Model:", 6) != 0)
            continue;
        const char *name = line + 6 + strspn(line + 6, " \t");
        snprintf(out, room, "%.*s", (int)strcspn(name, "\n"), name);
    }
    if (file)
        fclose(file);
}

static void describe(struct fab_gpu *g, const char *sys, const char *proc)
{
    g->device = (unsigned)fab_sys_number("%s/bus/pci/devices/%s/device", sys, g->bus);
    fab_sys_link(g->driver, sizeof g->driver, "%s/bus/pci/devices/%s/driver", sys, g->bus);
    g->aperture = aperture(sys, g->bus);
    // Written by AMD's driver; others have no such files.
    g->memory = fab_sys_number("%s/bus/pci/devices/%s/mem_info_vram_total", sys, g->bus);
    g->visible = fab_sys_number("%s/bus/pci/devices/%s/mem_info_vis_vram_total", sys, g->bus);
    fab_sys_read(g->model, sizeof g->model, "%s/bus/pci/devices/%s/product_name", sys, g->bus);
    nvidia_model(g->model, sizeof g->model, proc, g->bus);
}

static bool is_gpu(struct fab_gpu *g, const char *sys, const char *bus)
{
    unsigned class = (unsigned)fab_sys_number("%s/bus/pci/devices/%s/class", sys, bus) >> 16;
    *g = (struct fab_gpu){.memory = 0};
    snprintf(g->bus, sizeof g->bus, "%.31s", bus);
    g->vendor = (unsigned)fab_sys_number("%s/bus/pci/devices/%s/vendor", sys, bus);
    return (class == DISPLAY || (class == ACCELERATOR && g->vendor == 0x1002)) &&
           fab_gpu_vendor(g->vendor);
}

static int by_bus(const void *a, const void *b)
{
    return strcmp(((const struct fab_gpu *)a)->bus, ((const struct fab_gpu *)b)->bus);
}

int fab_gpu_list(struct fab_gpu *out, int room, const char *sys, const char *proc)
{
    char path[PATH_MAX];
    int n = 0;
    snprintf(path, sizeof path, "%s/bus/pci/devices", sys);
    DIR *dir = opendir(path);
    for (const struct dirent *d = dir ? readdir(dir) : NULL; d && n < room; d = readdir(dir))
        if (d->d_name[0] != '.' && is_gpu(&out[n], sys, d->d_name))
            describe(&out[n++], sys, proc);
    if (dir)
        closedir(dir);
    qsort(out, (size_t)n, sizeof *out, by_bus);
    return n;
}

// What a vendor's library says of its devices is put to those that the kernel shows.
static void complete(struct fab_json *json, const char *key, struct fab_gpu *gpus, int n,
                     enum fab_memory vendor)
{
    struct fab_device devices[GPUS_MAX];
    int version;
    int found = fab_devices(devices, GPUS_MAX, vendor, &version);
    for (int i = 0; i < found; i++) {
        for (int k = 0; k < n; k++) {
            if (strcmp(gpus[k].bus, devices[i].bus) != 0)
                continue;
            snprintf(gpus[k].model, sizeof gpus[k].model, "%.127s", devices[i].name);
            if (gpus[k].memory == 0)
                gpus[k].memory = (long long)devices[i].memory;
        }
    }
    if (version == 0) {
        fab_json_str(json, key, NULL);
        return;
    }
    fab_json_obj(json, key);
    fab_json_int(json, "version", version);
    fab_json_int(json, "devices", found);
    fab_json_end(json, '}');
}

static void gpu_json(struct fab_json *json, const struct fab_gpu *g)
{
    char id[16];
    int large = fab_gpu_large_bar(g);
    snprintf(id, sizeof id, "%04x:%04x", g->vendor, g->device);
    fab_json_obj(json, NULL);
    fab_json_str(json, "bus", g->bus);
    fab_json_str(json, "vendor", fab_gpu_vendor(g->vendor));
    fab_json_str(json, "id", id);
    fab_json_str(json, "model", *g->model ? g->model : NULL);
    fab_json_str(json, "driver", *g->driver ? g->driver : NULL);
    fab_json_int(json, "memory", g->memory);
    fab_json_int(json, "aperture", g->visible > 0 ? g->visible : g->aperture);
    if (large < 0)
        fab_json_str(json, "large_bar", NULL);
    else
        fab_json_bool(json, "large_bar", large);
    fab_json_end(json, '}');
}

void fab_gpu_json(struct fab_json *json, const char *sys, const char *proc)
{
    static struct fab_gpu gpus[GPUS_MAX];
    int n = fab_gpu_list(gpus, GPUS_MAX, sys, proc);
    complete(json, "cuda", gpus, n, FAB_CUDA);
    complete(json, "hip", gpus, n, FAB_HIP);
    fab_json_arr(json, "gpus");
    for (int i = 0; i < n; i++)
        gpu_json(json, &gpus[i]);
    fab_json_end(json, ']');
}
