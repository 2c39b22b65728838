/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request as a router has it: tokens, adapter, salt, extra keys; made a struct rdx_tokens.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "python/ext/event.h"

#include <ringdex/rdx_hash.h>

struct request {
	struct event_reader reader;
	struct room keys; /* of struct rdx_block_key */
};

/* The values are of tokens, adapter, salt and keys. `ret_tokens` is valid until event_done(reader), which
 * is to be called in any case. -1 with an exception. */
int request_read(struct request *request, const struct event_values *values, uint32_t block_tokens,
		 int eagle, struct rdx_tokens *ret_tokens);

void request_free(struct request *request);

#endif
