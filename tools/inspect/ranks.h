/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks: named on a command line as WORKER or WORKER:RANK, found in a namespace.
 */
#ifndef INSPECT_RANKS_H
#define INSPECT_RANKS_H

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
 * that might have one but cannot be looked into. -errno. */
int ranks_find(int dir_fd, const struct ranks *wanted, struct ranks *ret_found);

/* For the `wanted` that is not in `found`: its text into ret_text ("7" or "7:0") and 1;
 * 0 where there is none. */
#define RANKS_TEXT_BYTES 40
int ranks_missing(const struct ranks *wanted, const struct ranks *found, char *ret_text);

/* "7:0", or "7" where it is any rank of it. Returns ret_text. */
const char *ranks_name_text(const struct rank_name *name, char *ret_text);

/* "7:0". Returns ret_text. */
const char *ranks_text(uint64_t worker_id, uint32_t dp_rank, char *ret_text);

#endif
