/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories in which a benchmark works. They go when its process ends, however it ends: a guardian,
 * a process in a session of its own, waits for that.
 */
#ifndef RDX_BENCH_SCRATCH_H
#define RDX_BENCH_SCRATCH_H

#define SCRATCH_BYTES 128

/* Below `parent` from now on. Before there are threads, and memory that a fork would make slow:
 * options_parse does it. Ends the program where it cannot. */
void scratch_begin(const char *parent);

/* Make a directory. 0, -errno. */
int scratch_make(char ret_dir[SCRATCH_BYTES]);

/* Remove one, or what is in it, at once. */
void scratch_remove(const char *dir);

#endif
