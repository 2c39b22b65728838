/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields of events, by the names that engines give them.
 */
#include "producer/engine/engine_state.h"
#include "producer/engine/words.h"

#include <stddef.h>

static const char *const decoded[] = {
	"type",
	"block_hashes",
	"parent_block_hash",
	"token_ids",
	"block_size",
	"lora_id",
	"lora_name",
	"cache_salt",
	"medium",
	"extra_keys",
	"mm_keys",
	"group_idx",
	"kv_cache_spec_kind",
	"locality",
	"ownership",
	"remaining_copy_counts",
	NULL,
};

/* A field that is not on this list may mean that the blocks are others, or elsewhere. */
static const char *const harmless[] = {
	/* how far back a window looks: of the kinds that count none looks through one */
	"kv_cache_spec_sliding_window",
	/* which conversation stored the blocks: any request may use them */
	"session_id",
	/* tokens behind a block that the engine's name covers too: the block's own tokens stay what
	 * they are, and some names may stand for one block */
	"lookahead_token_ids",
	/* when the batch was sent */
	"ts",
	/* counts the events of the source: what is missing shows in what follows */
	"event_id",
	NULL,
};

int rdx_engine_field(const struct rdx_engine *engine, const char *name)
{
	if (rdx_engine_word_is_in(decoded, name))
		return RDX_ENGINE_FIELD_DECODE;
	if (rdx_engine_word_is_in(harmless, name) ||
	    (engine && rdx_engine_word_is_in(engine->options.harmless_fields, name)))
		return RDX_ENGINE_FIELD_HARMLESS;
	return RDX_ENGINE_FIELD_UNKNOWN;
}
