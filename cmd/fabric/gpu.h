// SPDX-License-Identifier: MIT
// GPUs, as the kernel and the libraries of their vendors show them.
#ifndef FABRIC_GPU_H
#define FABRIC_GPU_H

#include "jsonw.h"

struct fab_gpu {
    char bus[32]; // PCI address: "0000:3b:00.0"
    unsigned vendor, device;
    char driver[32];    // "" when none has taken it
    char model[128];    // "" when nobody tells
    long long memory;   // bytes; 0: unknown
    long long visible;  // bytes of it that the host can address (AMD tells); 0: unknown
    long long aperture; // bytes of its largest prefetchable PCI region
};

// "NVIDIA", "AMD", "Intel", or NULL.
const char *fab_gpu_vendor(unsigned vendor);

// Whether the host reaches all of the memory directly (a large BAR): 1, 0, or -1 when unknown.
int fab_gpu_large_bar(const struct fab_gpu *gpu);

// The display controllers with a vendor that makes GPUs for computing, under sys ("/sys") and
// proc ("/proc"), sorted by address. At most `room`; returns how many.
int fab_gpu_list(struct fab_gpu *out, int room, const char *sys, const char *proc);

// Appends an array "gpus" of what fab_gpu_list finds, completed by what CUDA's and HIP's libraries
// say, and the objects "cuda" and "hip" with their versions (null when not there).
void fab_gpu_json(struct fab_json *json, const char *sys, const char *proc);

#endif
