/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/query_v1.h"

#include "tools/ringdexd/inquiry.h"
#include "tools/ringdexd/worth.h"

static void put_row(struct answer *answer, const struct rdx_run *run)
{
	answer_text(answer, "{\"worker\":");
	answer_number(answer, run->worker_id);
	answer_text(answer, ",\"dp_rank\":");
	answer_number(answer, run->dp_rank);
	answer_text(answer, ",\"instance\":");
	answer_json_text(answer, run->instance);
	answer_text(answer, ",\"state\":");
	answer_json_text(answer, worth_text(run->state));
	inquiry_put_age(answer, ",\"age_ns\":", run->age_ns);
	inquiry_put_age(answer, ",\"event_age_ns\":", run->event_age_ns);
	answer_text(answer, ",\"epoch\":");
	answer_number(answer, run->epoch);
	answer_text(answer, ",\"last_event_id\":");
	answer_number(answer, run->last_event_id);
	answer_text(answer, ",\"device_blocks\":");
	answer_number(answer, run->blocks[RDX_TIER_DEVICE]);
	answer_text(answer, ",\"host_blocks\":");
	answer_number(answer, run->blocks[RDX_TIER_HOST]);
	answer_text(answer, ",\"disk_blocks\":");
	answer_number(answer, run->blocks[RDX_TIER_DISK]);
	answer_text(answer, ",\"external_blocks\":");
	answer_number(answer, run->blocks[RDX_TIER_EXTERNAL]);
	answer_text(answer, "}");
}

static void put_prompt(struct answer *answer, const struct desk *desk,
		       const struct inquiry *inquiry)
{
	answer_text(answer, "{\"blocks\":");
	answer_number(answer, inquiry->blocks);
	answer_text(answer, ",\"ranks\":[");
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
			answer_text(ret_answer, "\"answers\":[");
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
