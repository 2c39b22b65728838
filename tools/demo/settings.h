/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run of the demo is to be, from the command line.
 */
#ifndef DEMO_SETTINGS_H
#define DEMO_SETTINGS_H

#include <stdint.h>

#define DEMO_WORKERS_MAX 64
#define DEMO_MODEL       "demo"

/* What is done to a pass on purpose. */
enum demo_incident { DEMO_KILL, DEMO_CLEAR, DEMO_PAUSE, DEMO_INCIDENTS };

struct settings {
	const char *trace; /* NULL: generated */
	const char *dir;   /* the namespace; NULL: a fresh one in /dev/shm */
	uint64_t requests; /* 0: all of the trace */
	uint64_t seed;
	uint32_t workers;
	uint32_t blocks; /* of each worker, in the device tier */
	uint32_t host_blocks;
	uint32_t block_tokens;
	uint32_t ring_slots;
	uint32_t incidents[DEMO_INCIDENTS]; /* how many of each */
	uint32_t wait_mode;                 /* RDX_WAIT_..., of the indexer */
	int no_baselines;
	int json;
};

#endif
