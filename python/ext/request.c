/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/request.h"

#include "python/ext/errors.h"

/* The keys of the full blocks, and the salt among them; -1 with an exception. */
static int read_identity(struct request *request, struct rdx_engine_event *event,
			 struct rdx_engine_identity *identity)
{
	struct rdx_block_key *keys =
		room_reserve(&request->keys, (event->key_count + 1) * sizeof(struct rdx_block_key));
	int r;

	if (!keys)
		return -1;
	r = rdx_engine_keys(event, keys, event->key_count, identity);
	if (r < 0) {
		errors_raise(r, "read the request's keys", NULL);
		return -1;
	}
	if (!identity->contradicts && identity->blocks >= event->count)
		return 0;
	PyErr_SetString(
		PyExc_ValueError,
		identity->contradicts
			? "two salts, or not one entry of keys a block: no lookup may answer it"
			: "extra keys are not understood: no lookup may answer it");
	return -1;
}

/* Entries behind the last full block are left out, as its tokens are. */
static void cut(struct rdx_engine_event *event, uint64_t blocks)
{
	const struct rdx_engine_key *keys = event->keys;
	uint64_t kept = 0;

	if (event->key_blocks == blocks + 1)
		event->key_blocks = blocks;
	for (uint64_t i = 0; i < event->key_count; i++) {
		int is_token = keys[i].kind == RDX_ENGINE_KEY_TOKEN;

		if (is_token ? keys[i].at < blocks * event->block_tokens : keys[i].at < blocks)
			((struct rdx_engine_key *)keys)[kept++] = keys[i];
	}
	event->key_count = kept;
}

int request_read(struct request *request, const struct event_values *values, uint32_t block_tokens,
		 int eagle, struct rdx_tokens *ret_tokens)
{
	struct rdx_engine_identity identity = {.size = sizeof(identity)};
	struct rdx_engine_event event;
	uint64_t blocks;

	if (!values->of[EVENT_TOKENS] || values->of[EVENT_TOKENS] == Py_None) {
		PyErr_SetString(PyExc_TypeError,
				"tokens is None: give a list, a tuple or a buffer");
		return -1;
	}
	if (event_read(&request->reader, values, &event) < 0)
		return -1;
	if (event.flags & RDX_ENGINE_PAIRS) {
		PyErr_SetString(PyExc_ValueError,
				"token_ids are pairs: give single tokens, and eagle=True");
		return -1;
	}
	blocks = (event.token_count - (eagle && event.token_count)) / block_tokens;
	event.block_tokens = block_tokens;
	event.count = (uint32_t)blocks;
	cut(&event, blocks);
	if (event.key_count || event.flags & RDX_ENGINE_KEYS || event.cache_salt) {
		if (read_identity(request, &event, &identity) < 0)
			return -1;
	}
	*ret_tokens = (struct rdx_tokens){.size = sizeof(*ret_tokens),
					  .seed = rdx_hash_seed(event.lora_name, identity.salt),
					  .ids = event.tokens,
					  .count = event.token_count,
					  .keys = identity.key_count ? request->keys.bytes : NULL,
					  .key_count = identity.key_count,
					  .block_tokens = block_tokens,
					  .overlap = eagle != 0};
	return 0;
}

void request_free(struct request *request)
{
	event_reader_free(&request->reader);
	room_free(&request->keys);
}
