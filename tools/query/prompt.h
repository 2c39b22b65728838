/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request of token ids asks for: the ids, and what names their blocks besides. Extra keys are
 * read and understood as those of events are.
 */
#ifndef QUERY_PROMPT_H
#define QUERY_PROMPT_H

#include "tools/query/prompt_keys.h"

/* What holds where a request does not say it itself. */
struct prompt_defaults {
	const char *lora;
	const char *salt;
	int eagle; /* blocks of pairs */
};

/* Kept from one request to the next. {0}. */
struct prompt {
	uint32_t *ids;
	uint64_t count;
	uint64_t capacity;
	struct json_object *object; /* has the texts; NULL: nothing but ids */
	const char *lora;           /* NULL: not said */
	const char *salt;
	int eagle; /* -1: not said */
	struct prompt_keys keys;
};

void prompt_free(struct prompt *prompt);

/* Take ids, each below 2^32, and nothing else. */
void prompt_take(struct prompt *prompt, const uint64_t *ids, uint64_t count);

/*
 * Read a JSON object: token_ids (numbers; or texts, of TensorRT-LLM), extra_keys or mm_keys (an entry
 * a block, one of a last partial block too), lora_name, cache_salt, eagle. What is null was not said.
 * -EBADMSG with `ret_fault` filled, also for any other member: it may ask for something else.
 */
int prompt_read(struct prompt *prompt, const char *line, size_t length,
		struct json_line_fault *ret_fault);

/* What to look up; belongs to the prompt. -EBADMSG with `ret_fault` filled: keys that are not
 * understood, or contradict each other. */
int prompt_tokens(struct prompt *prompt, const struct prompt_defaults *defaults,
		  uint32_t block_tokens, struct rdx_tokens *ret_tokens,
		  struct json_line_fault *ret_fault);

#endif
