/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of /v1/query and /v1/choose: what is asked for. Read by simdjson, so ask.cc is C++, and strictly: a
 * member that is not known is refused, since it may ask for what would not be answered.
 */
#ifndef RINGDEXD_ASK_H
#define RINGDEXD_ASK_H

#include <ringdex/rdx_types.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ASK_PROMPTS_MAX 64
#define ASK_LOADS_MAX   RDX_RANKS_MAX
#define ASK_LOAD_MAX    1e15
#define ASK_WEIGHT_MAX  1e9
#define ASK_FAULT_BYTES 512
/* Values within the extra_keys and mm_keys of all prompts of a request, but nulls: each becomes an object of some
 * hundred bytes to be read. A prompt of 100,000 tokens with an image in each block of 16 has 25,000. */
#define ASK_KEY_VALUES_MAX 65536

enum ask_kind {
	ASK_QUERY,  /* prompts */
	ASK_CHOICE, /* one prompt, and loads */
};

enum ask_form {
	ASK_NO_FORM,
	ASK_TOKENS,
	ASK_LOCAL_HASHES,
	ASK_PREFIX_HASHES,
};

/* What is not said is NULL, "" or 0. Texts have no NUL within. */
struct ask_prompt {
	enum ask_form form;
	const uint32_t *tokens;
	const uint64_t *hashes;
	size_t count;     /* of either */
	const char *keys; /* extra_keys or mm_keys, as JSON: a list of `count` entries at most */
	size_t key_bytes;
	uint8_t are_objects; /* they are mm_keys */
	uint8_t is_eagle;
	char lora_name[RDX_TEXT_BYTES];
	char cache_salt[RDX_TEXT_BYTES];
};

struct ask_load {
	uint64_t worker_id;
	uint32_t dp_rank;
	double load; /* 0 .. ASK_LOAD_MAX */
};

struct ask {
	char model[RDX_TEXT_BYTES];
	char tenant[RDX_TEXT_BYTES];
	uint8_t min_state;     /* RDX_STATE_...: INEXACT where it is not said */
	uint32_t block_tokens; /* of the workers that are asked for; 0: it is not said */
	uint32_t prompt_count;
	uint32_t load_count;
	double overlap_weight; /* 0 .. ASK_WEIGHT_MAX; 1 where it is not said */
	struct ask_prompt prompts[ASK_PROMPTS_MAX];
	struct ask_load loads[ASK_LOADS_MAX]; /* as they came */
};

struct ask_reader;

/* NULL without memory. One thread's. */
struct ask_reader *ask_reader_new(void);
void ask_reader_free(struct ask_reader *reader);

/*
 * Read `count` bytes of JSON, behind which BODY_PADDING bytes are readable. `ret_ask` is the reader's, until
 * its next read.
 *
 *   0
 *   -EBADMSG  no JSON; ret_fault says what
 *   -EINVAL   it does not ask for what can be answered; ret_fault says what to do. It may have texts of the
 *             body in it, cut anywhere
 *   -ENOMEM
 */
int ask_read(struct ask_reader *reader, const char *json, size_t count, enum ask_kind kind,
	     const struct ask **ret_ask, char ret_fault[ASK_FAULT_BYTES]);

#ifdef __cplusplus
}
#endif
#endif
