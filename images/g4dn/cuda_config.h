// SPDX-License-Identifier: MIT
// What Open MPI's configure finds with CUDA 12. Debian's found no CUDA (config/opal_check_cuda.m4).
#undef OPAL_CUDA_SUPPORT
#define OPAL_CUDA_SUPPORT 1
#undef OPAL_CUDA_GET_ATTRIBUTES
#define OPAL_CUDA_GET_ATTRIBUTES 1
#undef OPAL_CUDA_SYNC_MEMOPS
#define OPAL_CUDA_SYNC_MEMOPS 1
#undef OPAL_CUDA_VMM_SUPPORT
#define OPAL_CUDA_VMM_SUPPORT 1
