// SPDX-License-Identifier: MIT
// What a container's body owes to the node that it is made on, and a plan cannot know.
#ifndef DMPI_CLUSTER_FIT_H
#define DMPI_CLUSTER_FIT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/strv.h"

struct dmpi_plan_member;

struct dmpi_fit {
    bool cdi;                // NVIDIA GPUs are asked for by CDI names
    struct dmpi_strv groups; // numbers of the groups that own the node's devices
    int slots;               // in place of the planned ones; 0: as planned
    char *visible;           // "NAME=0,1": the variable for its share of the GPUs; NULL: all
};

// Divides the GPUs of a node: workers that share them get neighbouring ones, as many each as there are,
// or take turns where there are too few. Where the user gave no slots a worker has one a GPU.
void dmpi_fit_share(struct dmpi_fit *fit, const struct dmpi_plan_member *member, int gpus);

// Whether an engine's answer to /info lists NVIDIA GPUs as CDI devices (Docker 28 and newer, where
// nvidia-ctk has written their description): that is then the way that it prefers.
bool dmpi_fit_prefers_cdi(const json_t *info);

// Fits a body for POST /containers/create to its node.
void dmpi_fit_body(json_t *body, const struct dmpi_fit *fit);

void dmpi_fit_free(struct dmpi_fit *fit); // empty afterwards; NULL is allowed

#endif
