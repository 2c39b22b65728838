/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which ranks a dump is about.
 */
#ifndef RINGDEXD_DUMP_PLAN_H
#define RINGDEXD_DUMP_PLAN_H

#include "tools/ringdexd/desk.h"

struct dump_rank {
	uint64_t worker_id;
	uint64_t epoch;
	uint32_t dp_rank;
};

struct dump_model {
	char key[2 * RDX_TEXT_BYTES]; /* MODEL:GROUP */
	uint32_t block_tokens;
	uint32_t first_rank;
	uint32_t ranks;
};

/* Why a model is left out. */
enum dump_cause {
	DUMP_BLOCK_SIZES, /* its workers have different ones */
	DUMP_NAME,        /* its key would not be understood, or be that of another one */
	DUMP_CAUSES
};

struct dump_left {
	uint32_t count;
	char one[2 * RDX_TEXT_BYTES]; /* the key of the first of them */
};

struct dump_plan {
	char *dir; /* a copy: its thread may live a little longer than the desk */
	struct dump_model *models;
	struct dump_rank *ranks; /* by model */
	uint32_t model_count;
	uint32_t rank_count;
	struct dump_left left[DUMP_CAUSES]; /* models that are left out */
};

/*
 * Each model that has a rank which may be told, in one block size, and whose name and tenant its key says: who reads
 * it takes what stands before the first colon for the model's name, and "default" for no tenant. -ENOMEM: free it all
 * the same.
 */
int dump_plan_make(struct dump_plan *plan, struct desk *desk);
void dump_plan_free(struct dump_plan *plan);

#endif
