/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of an engine-neutral event stream: docs/feed-format.md.
 */
#ifndef FEED_LINE_H
#define FEED_LINE_H

#include "tools/program/json_line.h"
#include <ringdex/rdx_types.h>

#define FEED_NAME_BYTES_MAX 32
#define FEED_COUNT_MAX      (UINT32_C(1) << 24) /* names of one line */
#define FEED_JOINED_MAX     4096                /* names of lines joined */

/* Arrays belong to the line and are reused; texts belong to the JSON object. */
struct feed_line {
	uint64_t worker;
	uint64_t time_ns;
	uint32_t dp_rank;
	uint32_t block_tokens; /* 0: the segment's */
	uint8_t kind;          /* RDX_EVENT_... */
	uint8_t tier;          /* of a clear: a scope */
	uint8_t group;
	uint8_t name_bytes; /* 8 or 32 */
	int has_rank;       /* worker and dp_rank were read, whatever else was not */
	int has_parent;
	int has_locals;
	uint32_t count;
	uint8_t parent[FEED_NAME_BYTES_MAX];
	uint8_t *names;   /* count * name_bytes */
	uint64_t *locals; /* count, where has_locals */
	uint32_t *tokens; /* token_count */
	uint64_t token_count;
	const char *lora;        /* or NULL */
	const char *salt;        /* or NULL */
	uint64_t names_capacity; /* bytes of each array */
	uint64_t locals_capacity;
	uint64_t tokens_capacity;
};

/* Start from {0}. -ENOMEM; -EBADMSG with `ret_fault` filled. Whatever it answers, the line
 * can be read into again and is freed by feed_line_free. */
int feed_line_read(struct feed_line *line, struct json_object *object,
		   struct json_line_fault *ret_fault);
void feed_line_free(struct feed_line *line);

/* Append the names of a removal to those of the one before it: 1, or 0 where they are not two
 * removals of one rank, tier, group and time, with names of one size, or are too many. -ENOMEM. */
int feed_line_join(struct feed_line *line, const struct feed_line *next);

#endif
