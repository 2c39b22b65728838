/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/inquiry.h"

#include "shm/tokens.h"
#include "tools/ringdexd/member.h"
#include "tools/ringdexd/worth.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZES_MAX  8  /* block sizes that an answer names */
#define SIZE_BYTES 12 /* of one, with what stands between two */

int inquiry_read(struct desk *desk, const struct request *request, enum ask_kind kind,
		 const struct ask **ret_ask, struct answer *answer)
{
	char fault[ASK_FAULT_BYTES];
	int r;

	if (!request->is_json) {
		answer_error(answer, 415, "send the body as Content-Type: application/json");
		return 0;
	}
	r = ask_read(desk->asks, request->body, request->body_bytes, kind, ret_ask, fault);
	if (r == -ENOMEM)
		answer_error(answer, 503, "no memory for this now: ask again later");
	else if (r < 0)
		answer_error(answer, r == -EINVAL ? 422 : 400, "%s", fault);
	return r == 0;
}

/* Which of the block sizes is meant? */
static void answer_sizes(const struct desk *desk, const struct ask *ask, struct answer *answer)
{
	uint32_t sizes[SIZES_MAX];
	size_t count = shelf_block_sizes(desk->shelf, ask->model, ask->tenant, sizes, SIZES_MAX);
	char text[SIZES_MAX * SIZE_BYTES];
	size_t used = 0;

	text[0] = 0;
	for (size_t i = 0; i < count && i < SIZES_MAX; i++)
		used += (size_t)snprintf(&text[used], sizeof(text) - used, "%s%" PRIu32,
					 i ? ", " : "", sizes[i]);
	answer_error(answer, 409,
		     "workers of model \"%s\", tenant \"%s\" have different block sizes: give "
		     "block_tokens, which is one of %s%s",
		     ask->model, ask->tenant, text, count > SIZES_MAX ? ", ..." : "");
}

static void answer_missing(const struct desk *desk, const struct ask *ask, int error,
			   struct answer *answer)
{
	if (error == -ENOENT && ask->block_tokens)
		answer_error(answer, 404,
			     "no worker of model \"%s\", tenant \"%s\" with blocks of %" PRIu32
			     " tokens is known: GET /v1/workers has those that are",
			     ask->model, ask->tenant, ask->block_tokens);
	else if (error == -ENOENT)
		answer_error(answer, 404,
			     "no worker of model \"%s\", tenant \"%s\" is known: GET /v1/workers "
			     "has those "
			     "that are",
			     ask->model, ask->tenant);
	else if (error == -EEXIST)
		answer_sizes(desk, ask, answer);
	else
		answer_error(answer, 503,
			     "the index of model \"%s\" cannot be asked now (%s): ask again later",
			     ask->model, strerror(-error));
}

/*
 * One prompt
 */

/* A prompt as a lookup takes it. */
struct look {
	struct desk *desk;
	const struct ask_prompt *prompt;
	struct inquiry *inquiry;
	int wants_prefixes; /* in desk->prefixes */
	struct json_line_fault fault;
};

/* The list of keys, which is JSON, as json-c has it; the caller's. -ENOMEM, -EBADMSG */
static int parse_keys(struct look *look, struct json_object **ret_list)
{
	struct json_tokener *tokener = json_tokener_new();
	enum json_tokener_error error;

	if (!tokener)
		return -ENOMEM;
	*ret_list =
		json_tokener_parse_ex(tokener, look->prompt->keys, (int)look->prompt->key_bytes);
	error = json_tokener_get_error(tokener);
	json_tokener_free(tokener);
	if (error == json_tokener_success)
		return 0;
	if (error != json_tokener_error_depth)
		return -ENOMEM;
	return json_line_fault(&look->fault,
			       "the keys are nested too deep: docs/engines.md has their forms");
}

/* Seed and keys of the tokens' blocks; json-c's objects are needed as long as they are read. */
static int name_blocks(struct look *look, struct rdx_tokens *tokens)
{
	const struct ask_prompt *prompt = look->prompt;
	struct json_object *list = NULL;
	int r = prompt->keys ? parse_keys(look, &list) : 0;

	if (r == 0)
		r = prompt_keys_read(&look->desk->keys, list, prompt->are_objects);
	if (r == 0)
		r = prompt_keys_name(&look->desk->keys, prompt->lora_name,
				     prompt->cache_salt[0] ? prompt->cache_salt : NULL, NULL,
				     tokens, &look->fault);
	json_object_put(list);
	return r;
}

/* Room for the hashes of so many blocks; what is kept is as large as the largest prompt was. -ENOMEM */
static int reserve_prefixes(struct desk *desk, uint64_t blocks)
{
	uint64_t *prefixes;

	if (blocks <= desk->prefix_capacity)
		return 0;
	prefixes = reallocarray(desk->prefixes, blocks, sizeof(*prefixes));
	if (!prefixes)
		return -ENOMEM;
	desk->prefixes = prefixes;
	desk->prefix_capacity = blocks;
	return 0;
}

/* By the prefix hashes of these local hashes, which may lie where those go. */
static int look_up_chained(struct look *look, const uint64_t *local)
{
	struct rdx_index *index = look->inquiry->index->index;
	uint64_t *prefixes = look->desk->prefixes, blocks = look->inquiry->blocks;

	rdx_hash_chain(rdx_index_hash_key(index), 0, local, blocks, prefixes);
	return rdx_index_lookup(index, prefixes, (uint32_t)blocks, look->desk->runs, RDX_RANKS_MAX);
}

static int look_up_tokens(struct look *look)
{
	const struct ask_prompt *prompt = look->prompt;
	struct rdx_tokens tokens = {
		.size = sizeof(tokens),
		.ids = prompt->tokens,
		.count = prompt->count,
		.block_tokens = look->inquiry->index->name.block_tokens,
		.overlap = prompt->is_eagle,
	};
	int r = name_blocks(look, &tokens);

	if (r < 0)
		return r;
	look->inquiry->blocks = rdx_tokens_blocks(&tokens);
	if (!look->wants_prefixes)
		return rdx_index_lookup_tokens(look->inquiry->index->index, &tokens,
					       look->desk->runs, RDX_RANKS_MAX);
	r = reserve_prefixes(look->desk, look->inquiry->blocks);
	if (r == 0)
		r = (int)rdx_hash_tokens(&tokens, look->desk->prefixes);
	return r < 0 ? r : look_up_chained(look, look->desk->prefixes);
}

static int look_up_hashes(struct look *look)
{
	const struct ask_prompt *prompt = look->prompt;
	struct rdx_index *index = look->inquiry->index->index;
	uint32_t blocks = (uint32_t)prompt->count;
	int r = look->wants_prefixes ? reserve_prefixes(look->desk, blocks) : 0;

	if (r < 0)
		return r;
	look->inquiry->blocks = blocks;
	if (prompt->form == ASK_LOCAL_HASHES)
		return look->wants_prefixes
			       ? look_up_chained(look, prompt->hashes)
			       : rdx_index_lookup_local(index, prompt->hashes, blocks,
							look->desk->runs, RDX_RANKS_MAX);
	if (look->wants_prefixes && blocks)
		memcpy(look->desk->prefixes, prompt->hashes, blocks * sizeof(*prompt->hashes));
	return rdx_index_lookup(index, prompt->hashes, blocks, look->desk->runs, RDX_RANKS_MAX);
}

static int look_up(void *context)
{
	struct look *look = context;

	return look->prompt->form == ASK_TOKENS ? look_up_tokens(look) : look_up_hashes(look);
}

/* Longest of all tiers first, then of the nearer ones, then by rank. */
static int compare_runs(const void *a, const void *b)
{
	const struct rdx_run *x = a, *y = b;

	for (int tier = RDX_TIER_COUNT - 1; tier >= 0; tier--)
		if (x->blocks[tier] != y->blocks[tier])
			return x->blocks[tier] > y->blocks[tier] ? -1 : 1;
	if (x->worker_id != y->worker_id)
		return x->worker_id < y->worker_id ? -1 : 1;
	return (x->dp_rank > y->dp_rank) - (x->dp_rank < y->dp_rank);
}

/* Of those worth enough that hold something, in order. */
static uint32_t choose_rows(struct rdx_run *runs, uint32_t rows, uint8_t min_state)
{
	uint32_t chosen = 0;

	for (uint32_t i = 0; i < rows; i++)
		if (runs[i].blocks[RDX_TIER_EXTERNAL] && worth_suffices(runs[i].state, min_state))
			runs[chosen++] = runs[i];
	qsort(runs, chosen, sizeof(*runs), compare_runs);
	return chosen;
}

static int answer_look(struct look *look, const struct ask *ask, uint32_t i, struct answer *answer)
{
	int r = desk_look_up(look->desk, ask->model, ask->tenant, ask->block_tokens, look_up, look,
			     &look->inquiry->index);

	if (r >= 0) {
		look->inquiry->rows = (uint32_t)r;
		return 1;
	}
	if (r == -EBADMSG && look->fault.text[0])
		answer_error(answer, 422, "prompt %u: %s", i, look->fault.text);
	else
		answer_missing(look->desk, ask, r, answer);
	return 0;
}

int inquiry_look_up(struct desk *desk, const struct ask *ask, uint32_t i,
		    struct inquiry *ret_inquiry, struct answer *answer)
{
	struct look look = {.desk = desk, .prompt = &ask->prompts[i], .inquiry = ret_inquiry};

	if (!answer_look(&look, ask, i, answer))
		return 0;
	ret_inquiry->rows = choose_rows(desk->runs, ret_inquiry->rows, ask->min_state);
	return 1;
}

int inquiry_look_up_prefixes(struct desk *desk, const struct ask *ask, uint32_t i,
			     struct inquiry *ret_inquiry, const uint64_t **ret_prefixes,
			     struct answer *answer)
{
	struct look look = {.desk = desk,
			    .prompt = &ask->prompts[i],
			    .inquiry = ret_inquiry,
			    .wants_prefixes = 1};
	int r = answer_look(&look, ask, i, answer);

	*ret_prefixes = desk->prefixes;
	return r;
}

/*
 * Answers
 */

void inquiry_put_index(const struct ask *ask, uint32_t block_tokens, struct answer *answer)
{
	answer_text(answer, "{");
	member_text(answer, "model", ask->model);
	member_text(answer, "tenant", ask->tenant);
	member_number(answer, "block_tokens", block_tokens);
}
