/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/query.h"

#include "tools/ringdexd/desk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FREQUENCY_BYTES 16 /* a comma and a number of rows */

/* A request that was understood: its index, what it asks for, and the rows that answer it. */
struct asked {
	struct desk *desk;
	const struct body *body;
	const struct shelf_index *index;
	uint32_t block_tokens;
	uint32_t rows; /* in desk->runs, by worker and rank */
};

/* An engine is registered that has not said anything yet: nobody holds anything. */
static int is_registered(struct asked *asked)
{
	const char *tenant = desk_tenant(desk_group_of(asked->body));
	const struct bridge *bridge =
		tenant ? bridges_of_model(asked->desk->bridges, asked->body->model_name, tenant)
		       : NULL;

	if (bridge)
		asked->block_tokens = bridge_view(bridge).stream->block_tokens;
	return bridge != NULL;
}

static void answer_missing(const struct body *body, int error, struct answer *answer)
{
	if (error == -ENOENT)
		answer_error(answer, 404, "no indexer for model=%s routing_group=%s",
			     body->model_name, desk_group_of(body));
	else if (error == -EEXIST)
		answer_error(answer, 409,
			     "workers of model '%s' have different block sizes: ask POST "
			     "/v1/query, and give block_tokens",
			     body->model_name);
	else
		answer_error(answer, 503, "the index of model '%s' cannot be asked now: %s",
			     body->model_name, strerror(-error));
}

static int compare_runs(const void *a, const void *b)
{
	const struct rdx_run *x = a, *y = b;

	if (x->worker_id != y->worker_id)
		return x->worker_id < y->worker_id ? -1 : 1;
	return (x->dp_rank > y->dp_rank) - (x->dp_rank < y->dp_rank);
}

/* Only what may be routed by and holds something, in order. */
static uint32_t choose_rows(struct rdx_run *runs, uint32_t rows)
{
	uint32_t chosen = 0;

	for (uint32_t i = 0; i < rows; i++)
		if (runs[i].blocks[RDX_TIER_EXTERNAL] && desk_may_tell(runs[i].state))
			runs[chosen++] = runs[i];
	qsort(runs, chosen, sizeof(*runs), compare_runs);
	return chosen;
}

static int look_up_tokens(void *context)
{
	struct asked *asked = context;
	const struct body *body = asked->body;
	struct rdx_tokens tokens = {.size = sizeof(tokens),
				    .seed = rdx_hash_seed(body->lora_name, body->cache_salt),
				    .ids = body->token_ids,
				    .count = body->token_count};

	return rdx_index_lookup_tokens(asked->index->index, &tokens, asked->desk->runs,
				       RDX_RANKS_MAX);
}

static int look_up_hashes(void *context)
{
	struct asked *asked = context;
	const struct body *body = asked->body;

	return rdx_index_lookup_local(asked->index->index, body->block_hashes,
				      (uint32_t)body->hash_count, asked->desk->runs, RDX_RANKS_MAX);
}

/* 1: there are rows; 0 where something else is answered. */
static int ask(struct desk *desk, const struct request *request, uint32_t list,
	       int (*look_up)(void *context), struct asked *ret_asked, struct answer *answer)
{
	const struct body *body;
	int r;

	if (!desk_read_body(desk, request, list | BODY_MODEL_NAME,
			    list | BODY_MODEL_NAME | BODY_ROUTING_GROUP, &body, answer))
		return 0;
	if (list == BODY_BLOCK_HASHES && body->has & BODY_CACHE_SALT) {
		answer_error(answer, 400,
			     "cache_salt is not accepted by %s; block_hashes must already include "
			     "the intended cache salt",
			     request->path);
		return 0;
	}
	*ret_asked = (struct asked){.desk = desk, .body = body};
	r = desk_look_up(desk, body->model_name, desk_tenant(desk_group_of(body)), 0, look_up,
			 ret_asked, &ret_asked->index);
	if (r == -ENOENT && is_registered(ret_asked))
		return 1;
	if (r < 0) {
		answer_missing(body, r, answer);
		return 0;
	}
	ret_asked->block_tokens = ret_asked->index->name.block_tokens;
	ret_asked->rows = choose_rows(desk->runs, (uint32_t)r);
	return 1;
}

static int compare_lengths(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x < *y) - (*x > *y); /* the longest first */
}

/* How many rows hold so much of the prompt in their devices, for each block: [2,2,1]. */
static void put_frequencies(struct answer *answer, const struct rdx_run *runs, uint32_t rows)
{
	uint32_t lengths[RDX_RANKS_MAX], block = 0;
	char text[FREQUENCY_BYTES];

	for (uint32_t i = 0; i < rows; i++)
		lengths[i] = runs[i].blocks[RDX_TIER_DEVICE];
	qsort(lengths, rows, sizeof(*lengths), compare_lengths);
	answer_text(answer, "[");
	/* up to the shortest one's end all hold it, then all others, and so on */
	for (uint32_t holders = rows; holders; holders--) {
		int bytes = snprintf(text, sizeof(text), ",%" PRIu32, holders);

		for (; block < lengths[holders - 1]; block++)
			answer_bytes(answer, text + !block, (size_t)(bytes - !block));
	}
	answer_text(answer, "]");
}

static void put_member(struct answer *answer, const char *before, uint64_t name)
{
	answer_text(answer, before);
	answer_text(answer, "\"");
	answer_number(answer, name);
	answer_text(answer, "\":");
}

/* {"7":{"0":32}}: tokens in the devices, of those that hold some. */
static void put_scores(struct answer *answer, const struct rdx_run *runs, uint32_t rows,
		       uint64_t block_tokens)
{
	uint64_t worker = 0;
	int any = 0;

	answer_text(answer, "{");
	for (uint32_t i = 0; i < rows; i++) {
		uint64_t tokens = runs[i].blocks[RDX_TIER_DEVICE] * block_tokens;

		if (!tokens)
			continue;
		if (!any || runs[i].worker_id != worker) {
			put_member(answer, any ? "}," : "", runs[i].worker_id);
			put_member(answer, "{", runs[i].dp_rank);
		} else {
			put_member(answer, ",", runs[i].dp_rank);
		}
		answer_number(answer, tokens);
		worker = runs[i].worker_id;
		any = 1;
	}
	answer_text(answer, any ? "}}" : "}");
}

/* Of one worker, whose rows these are: the most that a rank of it holds, and its device's by rank. */
static void put_instance(struct answer *answer, const struct rdx_run *runs, uint32_t rows,
			 uint64_t block_tokens)
{
	uint64_t most[RDX_TIER_COUNT] = {0};

	for (uint32_t i = 0; i < rows; i++)
		for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
			if (runs[i].blocks[tier] * block_tokens > most[tier])
				most[tier] = runs[i].blocks[tier] * block_tokens;
	answer_text(answer, "{\"longest_matched\":");
	answer_number(answer, most[RDX_TIER_EXTERNAL]);
	answer_text(answer, ",\"gpu\":");
	answer_number(answer, most[RDX_TIER_DEVICE]);
	answer_text(answer, ",\"dp\":{");
	for (uint32_t i = 0; i < rows; i++) {
		put_member(answer, i ? "," : "", runs[i].dp_rank);
		answer_number(answer, runs[i].blocks[RDX_TIER_DEVICE] * block_tokens);
	}
	answer_text(answer, "},\"cpu\":");
	answer_number(answer, most[RDX_TIER_HOST]);
	/* and what is further away: that API has no other place for it */
	answer_text(answer, ",\"disk\":");
	answer_number(answer, most[RDX_TIER_EXTERNAL]);
	answer_text(answer, "}");
}

static void put_instances(struct answer *answer, const struct rdx_run *runs, uint32_t rows,
			  uint64_t block_tokens)
{
	uint32_t end;

	answer_text(answer, "{");
	for (uint32_t i = 0; i < rows; i = end) {
		end = i + 1;
		while (end < rows && runs[end].worker_id == runs[i].worker_id)
			end++;
		put_member(answer, i ? "," : "", runs[i].worker_id);
		put_instance(answer, &runs[i], end - i, block_tokens);
	}
	answer_text(answer, "}");
}

static void put_matches(const struct asked *asked, struct answer *answer)
{
	const struct rdx_run *runs = asked->desk->runs;
	uint64_t block_tokens = asked->block_tokens;

	answer_text(answer, "{\"scores\":");
	put_scores(answer, runs, asked->rows, block_tokens);
	answer_text(answer, ",\"frequencies\":");
	put_frequencies(answer, runs, asked->rows);
	answer_text(answer, ",\"instances\":");
	put_instances(answer, runs, asked->rows, block_tokens);
	answer_text(answer, "}");
}

void query_tokens(void *context, const struct request *request, struct answer *ret_answer)
{
	struct asked asked;

	if (ask(context, request, BODY_TOKEN_IDS, look_up_tokens, &asked, ret_answer))
		put_matches(&asked, ret_answer);
}

void query_hashes(void *context, const struct request *request, struct answer *ret_answer)
{
	struct asked asked;

	if (ask(context, request, BODY_BLOCK_HASHES, look_up_hashes, &asked, ret_answer))
		put_matches(&asked, ret_answer);
}

/* [[{"worker_id":7,"dp_rank":3},2]]: blocks in this tier, from where the nearer ones end. */
static void put_tier(struct answer *answer, const struct rdx_run *runs, uint32_t rows, int tier)
{
	int any = 0;

	answer_text(answer, "[");
	for (uint32_t i = 0; i < rows; i++) {
		uint32_t nearer = tier ? runs[i].blocks[tier - 1] : 0;
		uint32_t blocks = runs[i].blocks[tier] - nearer;

		if (!blocks)
			continue;
		answer_text(answer, any ? ",[{\"worker_id\":" : "[{\"worker_id\":");
		answer_number(answer, runs[i].worker_id);
		answer_text(answer, ",\"dp_rank\":");
		answer_number(answer, runs[i].dp_rank);
		answer_text(answer, "},");
		answer_number(answer, blocks);
		answer_text(answer, "]");
		any = 1;
	}
	answer_text(answer, "]");
}

void query_tiers(void *context, const struct request *request, struct answer *ret_answer)
{
	static const char *const lower[] = {NULL, "host_pinned", "disk", "external"};
	struct asked asked;

	if (!ask(context, request, BODY_BLOCK_HASHES, look_up_hashes, &asked, ret_answer))
		return;
	answer_text(ret_answer, "{\"block_size\":");
	answer_number(ret_answer, asked.block_tokens);
	answer_text(ret_answer, ",\"tiered\":{\"device\":{\"scores\":");
	put_tier(ret_answer, asked.desk->runs, asked.rows, RDX_TIER_DEVICE);
	answer_text(ret_answer, ",\"frequencies\":");
	put_frequencies(ret_answer, asked.desk->runs, asked.rows);
	answer_text(ret_answer, "},\"lower_tier\":[");
	for (int tier = RDX_TIER_HOST; tier < RDX_TIER_COUNT; tier++) {
		answer_print(ret_answer, "%s[\"%s\",{\"hits\":", tier > RDX_TIER_HOST ? "," : "",
			     lower[tier]);
		put_tier(ret_answer, asked.desk->runs, asked.rows, tier);
		answer_text(ret_answer, "}]");
	}
	answer_text(ret_answer, "]}}");
}
