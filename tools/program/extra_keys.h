/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extra keys of an event or a request, as JSON has them: a list with an entry a block, which is
 * null or a list of keys. What they mean, rdx_engine_keys knows.
 *
 *   "text"                            RDX_ENGINE_KEY_TEXT; in mm_keys an OBJECT's identifier
 *   ["identifier", offset]            RDX_ENGINE_KEY_OBJECT, as vLLM writes it
 *   {"hash": "identifier", "start_offset": 0, "type": "mm_key"}
 *                                     RDX_ENGINE_KEY_OBJECT, as TensorRT-LLM writes it; the last
 *                                     two may be missing
 *   {"bin": "hexadecimal digits"}     RDX_ENGINE_KEY_DIGEST
 *   anything else                     RDX_ENGINE_KEY_OTHER
 */
#ifndef PROGRAM_EXTRA_KEYS_H
#define PROGRAM_EXTRA_KEYS_H

#include <ringdex/rdx_engine.h>

#include <json-c/json.h>

/* Texts belong to the JSON objects. {0} is none. */
struct extra_keys {
	struct rdx_engine_key *keys;
	uint64_t count;
	uint64_t capacity;
	uint8_t *digests; /* bytes of the DIGESTs */
	uint64_t digest_capacity;
};

void extra_keys_free(struct extra_keys *keys);

/* Read a list, which is NULL where there is none, in place of what was there; `are_objects`: it is
 * one of mm_keys. -ENOMEM; -E2BIG: it has 2^32 entries. */
int extra_keys_read(struct extra_keys *keys, struct json_object *list, int are_objects);

/* Append a token that is a text, of this index. -ENOMEM. */
int extra_keys_add_token(struct extra_keys *keys, struct json_object *text, uint32_t index);

#endif
