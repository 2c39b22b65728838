/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /v1/query and /v1/choose have in common: a body is read, its model's index found, a prompt looked up.
 * What cannot be done is answered, as {"error": "what to do"}.
 */
#ifndef RINGDEXD_INQUIRY_H
#define RINGDEXD_INQUIRY_H

#include "tools/ringdexd/ask.h"
#include "tools/ringdexd/desk.h"

/* Of a prompt. */
struct inquiry {
	const struct shelf_index *index; /* until the next call */
	uint64_t blocks;                 /* whole ones */
	uint32_t rows;                   /* in desk->runs */
};

/* Read the body: 1; 0 where that is answered. */
int inquiry_read(struct desk *desk, const struct request *request, enum ask_kind kind,
		 const struct ask **ret_ask, struct answer *answer);

/* Who holds something of prompt `i` and is worth enough, best first: 1; 0 where something else is answered. */
int inquiry_look_up(struct desk *desk, const struct ask *ask, uint32_t i,
		    struct inquiry *ret_inquiry, struct answer *answer);

/* All ranks that are not GONE, in no order, and the prompt's prefix hashes, which are the desk's until the next
 * call. */
int inquiry_look_up_prefixes(struct desk *desk, const struct ask *ask, uint32_t i,
			     struct inquiry *ret_inquiry, const uint64_t **ret_prefixes,
			     struct answer *answer);

/* An answer begins: a brace, and what it is about. More members come. */
void inquiry_put_index(const struct ask *ask, uint32_t block_tokens, struct answer *answer);

#endif
