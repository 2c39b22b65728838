/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the routes answer from: the thread that serves HTTP has one.
 */
#ifndef RINGDEXD_DESK_H
#define RINGDEXD_DESK_H

#include "tools/query/prompt_keys.h"
#include "tools/ringdexd/ask.h"
#include "tools/ringdexd/body.h"
#include "tools/ringdexd/choose.h"
#include "tools/ringdexd/expected.h"
#include "tools/ringdexd/bridges.h"
#include "tools/ringdexd/keeper.h"
#include "tools/ringdexd/overview.h"
#include "tools/ringdexd/peers.h"
#include "tools/ringdexd/server.h"
#include "tools/ringdexd/shelf.h"
#include "tools/ringdexd/traffic.h"

#include <ringdex/rdx_index.h>

struct desk {
	struct space *space;
	struct shelf *shelf;
	struct body_reader *reader;
	struct ask_reader *asks;
	struct prompt_keys keys;
	uint64_t *prefixes; /* hashes of one prompt */
	size_t prefix_capacity;
	const struct choose_options *choose;
	struct expected *expected;
	uint64_t choices[CHOOSE_OVERLAPS];
	uint64_t turn;           /* of those that cost as much as each other */
	struct keeper *keeper;   /* of the indexes */
	struct bridges *bridges; /* of engines that were registered */
	const char *no_register; /* why nobody may register now; NULL: who may ask may register */
	struct peers peers;
	struct server *server; /* that asks */
	struct overview *overview;
	uint32_t live_streams;
	uint64_t lookups;
	struct traffic traffic;
	struct rdx_run runs[RDX_RANKS_MAX];
	struct rdx_index_rank ranks[RDX_RANKS_MAX];
};

/* -ENOMEM */
int desk_open(struct desk *ret_desk, struct space *space, struct keeper *keeper);
void desk_close(struct desk *desk);

/* Is a request's body JSON, and has it what is `required`, and `never_null`, bits of body_field? 1; 0 where that is
 * answered. */
int desk_read_body(struct desk *desk, const struct request *request, uint32_t required,
		   uint32_t never_null, const struct body **ret_body, struct answer *answer);

/*
 * Look a prompt up in the index of a model and tenant that there is now: shelf_find, and `look_up`, which asks
 * (*ret_index)->index and writes to desk->runs. What passes is tried again: an index that is to be opened anew, and one in
 * the midst of a change.
 *
 *   >= 0     rows
 *   -ENOENT  `tenant` is NULL, too
 *   -errno   of shelf_find, or what `look_up` says
 */
int desk_look_up(struct desk *desk, const char *model, const char *tenant, uint32_t block_tokens,
		 int (*look_up)(void *context), void *context,
		 const struct shelf_index **ret_index);

/* May a rank in this state be answered with? This API's clients know of others that they hold nothing. */
int desk_may_tell(uint8_t state);

/* A routing group's tenant: "default" is the one without a name. NULL: no tenant is the group "". And back. */
const char *desk_tenant(const char *routing_group);
const char *desk_routing_group(const char *tenant);

/* The routing group that a body names; where it names none it is "default". */
const char *desk_group_of(const struct body *body);

#endif
