/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of POST requests, in JSON: what is asked for. Read by simdjson, so this one file is C++
 * (body.cc). A body is read whole before anything of it counts.
 */
#ifndef RINGDEXD_BODY_H
#define RINGDEXD_BODY_H

#include <ringdex/rdx_types.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BODY_PADDING     64 /* readable bytes behind a body, at least */
#define BODY_FAULT_BYTES 160
#define BODY_DP_RANK_MAX 1023 /* as a bridge takes them */

/* What stands in a body; a text that is missing is "". Texts have no NUL within. */
struct body {
	const uint32_t *token_ids;
	const uint64_t *block_hashes;
	size_t token_count;
	size_t hash_count;
	uint32_t has; /* bits of body_field */
	char model_name[RDX_TEXT_BYTES];
	char routing_group[RDX_TEXT_BYTES];
	char lora_name[RDX_TEXT_BYTES];
	char cache_salt[RDX_TEXT_BYTES];
	char endpoint[RDX_TEXT_BYTES];
	char replay_endpoint[RDX_TEXT_BYTES];
	char url[RDX_TEXT_BYTES];
	uint64_t instance_id; /* a number that is missing is 0 */
	uint64_t block_size;
	uint64_t dp_rank;
};

enum body_field {
	BODY_TOKEN_IDS = 1,
	BODY_BLOCK_HASHES = 2,
	BODY_MODEL_NAME = 4,
	BODY_ROUTING_GROUP = 8,
	BODY_LORA_NAME = 16,
	BODY_CACHE_SALT = 32,
	BODY_ENDPOINT = 64,
	BODY_REPLAY_ENDPOINT = 128,
	BODY_URL = 256,
	BODY_INSTANCE_ID = 512,
	BODY_BLOCK_SIZE = 1024,
	BODY_DP_RANK = 2048,
};

struct body_reader;

/* NULL without memory. One thread's. */
struct body_reader *body_reader_new(void);
void body_reader_free(struct body_reader *reader);

/*
 * Read `count` bytes of JSON. What is null was not said, but for the members of `never_null`; members that are none
 * of these are passed over. The lists are the reader's, until its next read. `required` and `never_null` are bits of
 * body_field.
 *
 *   0
 *   -EBADMSG  no JSON; ret_fault says what
 *   -EINVAL   no object; a required member is missing, or one is there twice, of another type or out of
 *             range; likewise
 *   -ENOMEM
 */
int body_read(struct body_reader *reader, const char *json, size_t count, uint32_t required,
	      uint32_t never_null, const struct body **ret_body, char *ret_fault);

#ifdef __cplusplus
}
#endif
#endif
