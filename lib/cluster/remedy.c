// SPDX-License-Identifier: MIT
#include "cluster/remedy.h"

#include <string.h>

#include "base/mem.h"

static const struct {
    const char *text;
    const char *remedy;
} table[] = {
    {"could not select device driver",
     "the node has no NVIDIA container toolkit: install nvidia-container-toolkit there, or choose "
     "another image for this node"},
    {"nvidia-container-cli",
     "the node's NVIDIA driver does not work: see nvidia-smi there, or choose another image for "
     "this node"},
    {"/dev/kfd",
     "the node has no AMD GPU driver (amdgpu with /dev/kfd): install it, or choose another image "
     "for this node"},
    {"gathering device information",
     "the image profile asks for a device that the node does not have: choose another image for "
     "this node"},
    {"Unable to find group",
     "add the group to the image, or write its number in groups: of the image profile"},
    {"bind source path does not exist", "create that folder on the node first"},
    {"no space left on device",
     "the node's disk is full: free some space there (`docker system df` shows what Docker holds)"},
    {"No space left on device", "the disk there is full: free some space"},
    // How tar words a disk that fills up in the middle of a block.
    {": Wrote only", "no space left on that disk: free some space"},
    {"rlimit", "the engine may not raise that limit: take the ulimit out of the image profile"},
    {"unable to apply caps",
     "the engine itself lacks that capability: take it out of the image profile"},
    {"exec: \"/bin/sh\"", "the image must contain a shell (/bin/sh)"},
    {"No such image", "build it with `dockmpi image build`, or load it on the node"},
    {"when user namespaces are enabled",
     "dockmpi needs the host's network, which an engine with userns-remap gives only to containers "
     "that it exempts: say `options: { UsernsMode: host }` of that node in the cluster file (root "
     "in "
     "them is then that of the node, with few capabilities), or take userns-remap out of the "
     "engine's configuration"},
    {"cannot allocate memory", "the node is out of memory"},
    {"no sshd in this image",
     "install openssh-server in the image, or correct sshd: in its image.yaml"},
    {"tar: not found", "the image must contain tar"},
    {"catatonit", "install catatonit on the node (Podman needs it for --init)"},
    {"container-init binary not found",
     "install docker-init (package tini or catatonit) on the node"},
};

const char *dmpi_remedy_find(const char *message)
{
    for (size_t i = 0; i < DMPI_ARRAY_LEN(table); i++) {
        if (strstr(message, table[i].text))
            return table[i].remedy;
    }
    return NULL;
}

void dmpi_remedy_add(struct dmpi_err *err)
{
    const char *remedy = dmpi_remedy_find(err->msg);
    if (remedy)
        dmpi_err_set(err, err->code, "%s; %s", err->msg, remedy);
}
