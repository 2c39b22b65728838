/* SPDX-License-Identifier: Apache-2.0 */
#include "shm/hook.h"

#ifdef RDX_HOOKS
void (*rdx_hook_function)(enum rdx_hook_step step);
#else
typedef int rdx_hook_none; /* a file must not be empty */
#endif
