/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --watch: the same look again and again, as watch(1) does it.
 */
#ifndef PROGRAM_AGAIN_H
#define PROGRAM_AGAIN_H

#include <stdint.h>

/*
 * Call `look`, which prints and returns an exit status, once where `every_ns` is 0; else every `every_ns`
 * until a signal says stop or nobody reads standard output any more. On a terminal each look has the
 * whole screen, else a blank line stands between two (not so in JSON: `is_json`). Returns the status of
 * the only look; of many, EXIT_DONE.
 */
int again_run(uint64_t every_ns, int is_json, int (*look)(void *context), void *context);

#endif
