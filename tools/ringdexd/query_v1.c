/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/query_v1.h"

#include "tools/ringdexd/inquiry.h"
#include "tools/ringdexd/member.h"
#include "tools/ringdexd/worth.h"

static void put_row(struct answer *answer, const struct rdx_run *run)
{
	answer_text(answer, "{");
	member_number(answer, "worker", run->worker_id);
	member_number(answer, "dp_rank", run->dp_rank);
	member_text(answer, "instance", run->instance);
	member_text(answer, "state", worth_text(run->state));
	member_age(answer, "age_ns", run->age_ns);
	member_age(answer, "event_age_ns", run->event_age_ns);
	member_number(answer, "epoch", run->epoch);
	member_number(answer, "last_event_id", run->last_event_id);
	member_number(answer, "device_blocks", run->blocks[RDX_TIER_DEVICE]);
	member_number(answer, "host_blocks", run->blocks[RDX_TIER_HOST]);
	member_number(answer, "disk_blocks", run->blocks[RDX_TIER_DISK]);
	member_number(answer, "external_blocks", run->blocks[RDX_TIER_EXTERNAL]);
	answer_text(answer, "}");
}

static void put_prompt(struct answer *answer, const struct desk *desk,
		       const struct inquiry *inquiry)
{
	answer_text(answer, "{");
	member_number(answer, "blocks", inquiry->blocks);
	member_begin(answer, "ranks");
	answer_text(answer, "[");
	for (uint32_t i = 0; i < inquiry->rows; i++) {
		if (i)
			answer_text(answer, ",");
		put_row(answer, &desk->runs[i]);
	}
	answer_text(answer, "]}");
}

void query_v1(void *context, const struct request *request, struct answer *ret_answer)
{
	struct desk *desk = context;
	uint32_t block_tokens = 0;
	struct inquiry inquiry;
	const struct ask *ask;

	if (!inquiry_read(desk, request, ASK_QUERY, &ask, ret_answer))
		return;
	for (uint32_t i = 0; i < ask->prompt_count; i++) {
		if (!inquiry_look_up(desk, ask, i, &inquiry, ret_answer))
			return;
		if (i == 0) {
			block_tokens = inquiry.index->name.block_tokens;
			inquiry_put_index(ask, block_tokens, ret_answer);
			member_begin(ret_answer, "answers");
			answer_text(ret_answer, "[");
		} else if (block_tokens != inquiry.index->name.block_tokens) {
			answer_error(ret_answer, 503,
				     "the workers' block size changed meanwhile: ask again");
			return;
		} else {
			answer_text(ret_answer, ",");
		}
		put_prompt(ret_answer, desk, &inquiry);
	}
	answer_text(ret_answer, "]}");
}
