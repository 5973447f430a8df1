// SPDX-License-Identifier: MIT
#include "buffer.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN 4096

// CUDA's driver interface. Its types are plain numbers and handles, and fixed since CUDA 3.2.
static struct {
    bool tried, usable;
    int (*init)(unsigned flags);
    int (*version)(int *version);
    int (*count)(int *count);
    int (*name)(char *name, int len, int device);
    int (*memory)(size_t *bytes, int device);
    int (*bus)(char *bus, int len, int device);
    int (*context)(void **context, int device);
    int (*use)(void *context);
    int (*alloc)(uintptr_t *data, size_t bytes);
    int (*release)(uintptr_t data);
    int (*to)(uintptr_t data, const void *host, size_t n);
    int (*from)(void *host, uintptr_t data, size_t n);
} cuda;

// HIP's runtime interface.
static struct {
    bool tried, usable;
    int (*version)(int *version);
    int (*count)(int *count);
    int (*name)(char *name, int len, int device);
    int (*memory)(size_t *bytes, int device);
    int (*bus)(char *bus, int len, int device);
    int (*use)(int device);
    int (*alloc)(void **data, size_t bytes);
    int (*release)(void *data);
    int (*copy)(void *to, const void *from, size_t n, int kind);
} hip;

#define HIP_TO_DEVICE 1
#define HIP_FROM_DEVICE 2

// Function pointers and object pointers are the same on every system that has dlsym; C wants the
// detour.
static bool symbol(void *library, const char *name, void *into)
{
    void *found = dlsym(library, name);
    memcpy(into, &found, sizeof found);
    return found != NULL;
}

static bool open_cuda(void)
{
    if (cuda.tried)
        return cuda.usable;
    cuda.tried = true;
    void *lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
    cuda.usable =
        lib && symbol(lib, "cuInit", &cuda.init) &&
        symbol(lib, "cuDriverGetVersion", &cuda.version) &&
        symbol(lib, "cuDeviceGetCount", &cuda.count) &&
        symbol(lib, "cuDeviceGetName", &cuda.name) &&
        symbol(lib, "cuDeviceTotalMem_v2", &cuda.memory) &&
        symbol(lib, "cuDeviceGetPCIBusId", &cuda.bus) &&
        symbol(lib, "cuDevicePrimaryCtxRetain", &cuda.context) &&
        symbol(lib, "cuCtxSetCurrent", &cuda.use) && symbol(lib, "cuMemAlloc_v2", &cuda.alloc) &&
        symbol(lib, "cuMemFree_v2", &cuda.release) && symbol(lib, "cuMemcpyHtoD_v2", &cuda.to) &&
        symbol(lib, "cuMemcpyDtoH_v2", &cuda.from) && cuda.init(0) == 0;
    return cuda.usable;
}

static bool open_hip(void)
{
    static const char *const names[] = {"libamdhip64.so", "libamdhip64.so.7", "libamdhip64.so.6",
                                        "libamdhip64.so.5"};
    void *lib = NULL;
    if (hip.tried)
        return hip.usable;
    hip.tried = true;
    for (size_t i = 0; !lib && i < sizeof names / sizeof names[0]; i++)
        lib = dlopen(names[i], RTLD_NOW | RTLD_GLOBAL);
    hip.usable = lib && symbol(lib, "hipRuntimeGetVersion", &hip.version) &&
                 symbol(lib, "hipGetDeviceCount", &hip.count) &&
                 symbol(lib, "hipDeviceGetName", &hip.name) &&
                 symbol(lib, "hipDeviceTotalMem", &hip.memory) &&
                 symbol(lib, "hipDeviceGetPCIBusId", &hip.bus) &&
                 symbol(lib, "hipSetDevice", &hip.use) && symbol(lib, "hipMalloc", &hip.alloc) &&
                 symbol(lib, "hipFree", &hip.release) && symbol(lib, "hipMemcpy", &hip.copy);
    return hip.usable;
}

const char *fab_memory_name(enum fab_memory memory)
{
    static const char *const names[] = {"host", "cuda", "hip"};
    return names[memory];
}

static bool use_cuda(int local_rank)
{
    int devices = 0;
    void *context;
    return open_cuda() && cuda.count(&devices) == 0 && devices > 0 &&
           cuda.context(&context, local_rank % devices) == 0 && cuda.use(context) == 0;
}

static bool use_hip(int local_rank)
{
    int devices = 0;
    return open_hip() && hip.count(&devices) == 0 && devices > 0 &&
           hip.use(local_rank % devices) == 0;
}

int fab_memory_open(enum fab_memory *out, const char *name, int local_rank, const char **why)
{
    bool any = strcmp(name, "gpu") == 0;
    *out = FAB_HOST;
    if (strcmp(name, "host") == 0)
        return 0;
    *out = FAB_CUDA;
    if ((any || strcmp(name, "cuda") == 0) && use_cuda(local_rank))
        return 0;
    *out = FAB_HIP;
    if ((any || strcmp(name, "hip") == 0) && use_hip(local_rank))
        return 0;
    if (any)
        *why = "no GPU can be used: neither libcuda.so.1 nor libamdhip64.so finds a device";
    else if (strcmp(name, "cuda") == 0)
        *why = "no NVIDIA GPU can be used through libcuda.so.1";
    else if (strcmp(name, "hip") == 0)
        *why = "no AMD GPU can be used through libamdhip64.so";
    else
        *why = "there are host, cuda, hip and gpu";
    return -1;
}

int fab_buffer_make(struct fab_buffer *out, enum fab_memory memory, size_t size)
{
    uintptr_t address = 0;
    *out = (struct fab_buffer){.memory = memory, .size = size};
    out->host = aligned_alloc(ALIGN, (size + ALIGN) / ALIGN * ALIGN);
    if (!out->host)
        return -1;
    memset(out->host, 0, size);
    if (memory == FAB_HOST) {
        out->data = out->host;
        return 0;
    }
    int failed =
        memory == FAB_CUDA ? cuda.alloc(&address, size + 1) : hip.alloc(&out->data, size + 1);
    if (memory == FAB_CUDA)
        memcpy(&out->data, &address, sizeof address);
    if (failed)
        fab_buffer_free(out);
    return failed ? -1 : 0;
}

void fab_buffer_free(struct fab_buffer *buffer)
{
    if (buffer->memory == FAB_CUDA && buffer->data)
        cuda.release((uintptr_t)buffer->data);
    if (buffer->memory == FAB_HIP && buffer->data)
        hip.release(buffer->data);
    free(buffer->host);
    *buffer = (struct fab_buffer){.memory = FAB_HOST};
}

int fab_buffer_push(struct fab_buffer *buffer, size_t offset, size_t n)
{
    char *data = (char *)buffer->data + offset;
    const char *host = buffer->host + offset;
    if (n == 0 || buffer->memory == FAB_HOST)
        return 0;
    if (buffer->memory == FAB_CUDA)
        return cuda.to((uintptr_t)data, host, n) ? -1 : 0;
    return hip.copy(data, host, n, HIP_TO_DEVICE) ? -1 : 0;
}

int fab_buffer_pull(struct fab_buffer *buffer, size_t offset, size_t n)
{
    const char *data = (const char *)buffer->data + offset;
    char *host = buffer->host + offset;
    if (n == 0 || buffer->memory == FAB_HOST)
        return 0;
    if (buffer->memory == FAB_CUDA)
        return cuda.from(host, (uintptr_t)data, n) ? -1 : 0;
    return hip.copy(host, data, n, HIP_FROM_DEVICE) ? -1 : 0;
}

static void lower(char *text)
{
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

int fab_devices(struct fab_device *out, int room, enum fab_memory vendor, int *version)
{
    bool nvidia = vendor == FAB_CUDA;
    int n = 0;
    *version = 0;
    if (!(nvidia ? open_cuda() : open_hip()))
        return 0;
    (nvidia ? cuda.version : hip.version)(version);
    if ((nvidia ? cuda.count : hip.count)(&n) != 0)
        return 0;
    for (int i = 0; i < n && i < room; i++) {
        struct fab_device *d = &out[i];
        size_t bytes = 0;
        *d = (struct fab_device){.memory = 0};
        (nvidia ? cuda.name : hip.name)(d->name, sizeof d->name, i);
        (nvidia ? cuda.memory : hip.memory)(&bytes, i);
        (nvidia ? cuda.bus : hip.bus)(d->bus, sizeof d->bus, i);
        d->memory = bytes;
        lower(d->bus);
    }
    return n < room ? n : room;
}
