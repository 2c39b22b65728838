/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/mock/sequence.h"

#include <errno.h>
#include <stdlib.h>

static int make_room(struct sequence *sequence, uint32_t block_tokens)
{
	size_t full = sequence->full_blocks;
	size_t blocks = full + (sequence->total_tokens % block_tokens != 0);

	sequence->locals = malloc((3 * full + 1) * sizeof(*sequence->locals));
	sequence->tokens = malloc(sequence->total_tokens * sizeof(*sequence->tokens));
	sequence->blocks = malloc(blocks * sizeof(*sequence->blocks));
	if (!sequence->locals || !sequence->tokens || !sequence->blocks)
		return -ENOMEM;
	sequence->names = sequence->locals + full;
	sequence->prefixes = sequence->names + full;
	return 0;
}

/* The engine's names: parent's name and content, under a seed of this process. Never 0. */
static void name_blocks(struct sequence *sequence, uint64_t seed)
{
	uint64_t name = seed;

	for (uint32_t i = 0; i < sequence->full_blocks; i++) {
		name = rdx_trace_mix(rdx_trace_mix(name + RDX_TRACE_GOLDEN) ^ sequence->locals[i]);
		if (!name)
			name = 1;
		sequence->names[i] = name;
	}
}

int sequence_open(struct sequence **ret_sequence, const struct trace_request *request,
		  const struct sequence_naming *naming)
{
	struct sequence *sequence = calloc(1, sizeof(*sequence));

	if (!sequence)
		return -ENOMEM;
	sequence->done_tokens = request->input_length;
	sequence->total_tokens = request->input_length + request->output_length;
	sequence->full_blocks = sequence->total_tokens / naming->block_tokens;
	if (make_room(sequence, naming->block_tokens) < 0) {
		sequence_close(sequence);
		return -ENOMEM;
	}
	rdx_trace_prompt(request->hash_ids, request->input_length, sequence->tokens);
	rdx_trace_answer(request->hash_ids[request->hash_count - 1], request->output_length,
			 sequence->tokens + request->input_length);
	rdx_hash_blocks(rdx_hash_seed(NULL, NULL), sequence->tokens, sequence->total_tokens,
			naming->block_tokens, sequence->locals);
	rdx_hash_chain(&naming->key, 0, sequence->locals, sequence->full_blocks,
		       sequence->prefixes);
	name_blocks(sequence, naming->seed);
	*ret_sequence = sequence;
	return 0;
}

void sequence_close(struct sequence *sequence)
{
	if (!sequence)
		return;
	free(sequence->tokens);
	free(sequence->locals);
	free(sequence->blocks);
	free(sequence);
}
