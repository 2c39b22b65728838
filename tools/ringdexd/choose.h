/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/choose: of workers whose loads a router gives, the one that would cost least for a prompt, in the spirit
 * of NVIDIA Dynamo's KV router:
 *
 *   cost = overlap_weight * (blocks - overlap_blocks) + load
 *
 * where overlap_blocks is what the rank holds of the prompt, in any tier, or is expected to hold
 * (expected.h), whichever is more. Of several with the least cost each has its turn, in the order of worker and
 * rank. The one chosen is then expected to hold the prompt.
 */
#ifndef RINGDEXD_CHOOSE_H
#define RINGDEXD_CHOOSE_H

#include "tools/ringdexd/server.h"

struct choose_options {
	int is_off;
	uint64_t expect_ns; /* how long the one that was chosen is expected to hold the prompt */
};

/* Why the one that was chosen does not compute all of the prompt. */
enum choose_overlap {
	CHOOSE_HELD,     /* it holds some, as its engine said */
	CHOOSE_EXPECTED, /* it is expected to hold more than that */
	CHOOSE_NONE,     /* it does compute all */
	CHOOSE_OVERLAPS
};

/* "held", "expected", "none". */
const char *choose_overlap_text(enum choose_overlap overlap);

/* Context: struct desk. */
void choose_answer(void *context, const struct request *request, struct answer *ret_answer);

#endif
