/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rank was told, and so what every answer about it has to be. A rank holds chains of blocks,
 * each from its root on: some of it in the device, some in the host.
 */
#ifndef RDX_TESTS_CHAOS_ORACLE_H
#define RDX_TESTS_CHAOS_ORACLE_H

#include <stddef.h>
#include <stdint.h>

#define ORACLE_CHAINS     6
#define ORACLE_DEPTH      40
#define ORACLE_LINE_BYTES 2048

enum oracle_set {
	ORACLE_DEVICE,
	ORACLE_DEVICE_HOST, /* in either */
	ORACLE_SETS,
};

struct oracle_chain {
	uint32_t device, host; /* blocks held, from the root */
	/* Bit n: the set had n leading blocks at some instant since the last rest. An answer
	 * during the chaos may be of any of these instants. */
	uint64_t had[ORACLE_SETS];
};

struct oracle {
	struct oracle_chain chains[ORACLE_CHAINS];
	uint64_t lines; /* told to this life */
};

/* A new life, of which nothing is known: what the one before had may still be answered. */
void oracle_born(struct oracle *oracle);

/* Everything is at rest: from now on only what is held now, and what comes, is right. */
void oracle_rest(struct oracle *oracle);

/* Draw the next line of the worker's rank `rank`, of `ranks` that clear each other, and know what it
 * does. Its length, with a newline. */
int oracle_draw(struct oracle *oracles, uint32_t ranks, uint32_t rank, uint64_t worker,
		uint64_t *random, char ret_line[ORACLE_LINE_BYTES]);

/* How many leading blocks of the chain the rank holds. */
uint32_t oracle_held(const struct oracle *oracle, uint32_t chain, enum oracle_set set);

/* Was it so at some instant since the last rest? */
int oracle_had(const struct oracle *oracle, uint32_t chain, enum oracle_set set, uint64_t blocks);

/* The request for the whole chain, of local hashes. Its length, with a newline. */
int oracle_prompt(uint32_t chain, char ret_line[ORACLE_LINE_BYTES]);

#endif
