/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/options_shared.h"

const char *const options_shared_scopes[] = {"rank", "worker", NULL};
const char *const options_shared_reports[] = {"copies", "mixed", "presence", NULL};
const char *const options_shared_waits[] = {"auto", "io_uring", "epoll", NULL};
const char *const options_shared_rests[] = {"hybrid", "sleep", "spin", NULL};
