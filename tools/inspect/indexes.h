/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The indexes of a namespace: one for each model, tenant and block size.
 */
#ifndef INSPECT_INDEXES_H
#define INSPECT_INDEXES_H

#include "tools/inspect/space.h"

#include <ringdex/rdx_index.h>
#include <stddef.h>

struct index_name {
	char model[RDX_TEXT_BYTES];
	char tenant[RDX_TEXT_BYTES];
	uint32_t block_tokens;
	int is_fed; /* a rank of it runs, as far as is known */
};

/* Which one is wanted; what is NULL or 0 is left open. */
struct index_wanted {
	const char *model;
	const char *tenant;
	uint32_t block_tokens;
};

/* All of them, in no order; the array is the caller's to free. How many, or -errno. None
 * is no error. */
int indexes_find(const struct space *space, struct index_name **ret_names);

/*
 * Open the one index that fits what is wanted; one that no running rank feeds is only taken where no
 * other fits. Complains, with what there is to choose from,
 * and returns -errno where none does, or several do.
 */
int indexes_choose(const struct space *space, const struct index_wanted *wanted,
		   struct rdx_index **ret_index, struct index_name *ret_name);

/* Open an index by its name. As rdx_index_open. */
int indexes_open(const struct space *space, const struct index_name *name,
		 struct rdx_index **ret_index);

/*
 * After -EAGAIN from a handle: the indexer is in the midst of a change, and may be waiting for a processor.
 * Sleeps for a tenth of a millisecond. 0 once 50 ms have passed since the first time; *until_ns, 0 before
 * that, says when it is.
 */
int indexes_pause(uint64_t *until_ns);

#endif
