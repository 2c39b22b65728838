/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks: named on a command line as WORKER or WORKER:RANK, found in a namespace.
 */
#ifndef INSPECT_RANKS_H
#define INSPECT_RANKS_H

#include "tools/inspect/space.h"

#include <argp.h>
#include <stddef.h>
#include <stdint.h>

struct rank_name {
	uint64_t worker_id;
	uint32_t dp_rank;
	uint32_t any_rank; /* all ranks of the worker: on a command line, or with an error */
	int32_t error;     /* found, but its worker's directory cannot be looked into: -errno */
};

/* A growing list. {0} is empty. */
struct ranks {
	struct rank_name *names;
	size_t count;
};
void ranks_add(struct ranks *list, const struct rank_name *name);
void ranks_free(struct ranks *list);

/* Is it in the list, `any_rank` seen to? An empty list wants all. */
int ranks_wanted(const struct ranks *wanted, const struct rank_name *name);

/* Take an argument, "7" or "7:0", into a struct ranks; ends the program where it is neither. */
void ranks_take(const struct argp_state *state, const char *text, void *list);

/* The same, into a struct rank_name: "7" is rank 0. */
void ranks_take_one(const struct argp_state *state, const char *text, void *ret_name);

/* Every segment file in the namespace that is wanted, by worker and rank, and every worker
 * that might have one but cannot be looked into. Says why it cannot look; -errno. */
int ranks_find(const struct space *space, const struct ranks *wanted, struct ranks *ret_found);

#define RANKS_SEE_LS "ringdex ls shows what is there"

/* Is one that is `wanted` not in `found`? Says which, and what to do about it. */
int ranks_missing(const struct space *space, const struct ranks *wanted, const struct ranks *found,
		  const char *what_to_do);

#define RANKS_TEXT_BYTES 40
/* "7:0", or "7" where it is any rank of it. Returns ret_text. */
const char *ranks_name_text(const struct rank_name *name, char *ret_text);

/* "7:0". Returns ret_text. */
const char *ranks_text(uint64_t worker_id, uint32_t dp_rank, char *ret_text);

#endif
