/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each worker of a corpus holds: a set of names, kept in the plainest way there is. What an
 * index answers is compared with it.
 */
#ifndef CORPUS_ORACLE_H
#define CORPUS_ORACLE_H

#include "bench/corpus/corpus.h"

struct oracle_set {
	uint64_t *names; /* hash table, 0: empty */
	uint64_t mask;
	uint64_t count;
};

struct oracle {
	struct oracle_set *sets; /* one a worker */
	uint32_t workers;
	uint64_t wrong; /* stored though held, or removed though not */
};

/* -ENOMEM. */
int oracle_open(struct oracle *ret_oracle, uint32_t workers);
void oracle_close(struct oracle *oracle);

/* An event; a query changes nothing. Ends the program without memory. */
void oracle_apply(struct oracle *oracle, const struct corpus_record *record);

/* How many of the leading names the worker holds. */
uint32_t oracle_leading(const struct oracle *oracle, uint32_t worker, const uint64_t *names,
			uint32_t count);

#endif
