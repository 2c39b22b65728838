/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this process takes of its host.
 */
#ifndef RINGDEXD_PROCESS_H
#define RINGDEXD_PROCESS_H

#include <stdint.h>

struct process_figures {
	uint64_t resident_bytes;
	uint64_t virtual_bytes;
	uint64_t cpu_ns;
	uint64_t open_fds;
	uint64_t max_fds;
};

/* What cannot be read is 0. */
void process_look(struct process_figures *ret_figures);

#endif
