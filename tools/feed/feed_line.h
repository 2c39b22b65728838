/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of an event stream, decoded: docs/feed-format.md. What it means, producer/engine knows.
 */
#ifndef FEED_LINE_H
#define FEED_LINE_H

#include "tools/program/extra_keys.h"
#include "tools/program/json_line.h"
#include <ringdex/rdx_engine.h>

#define FEED_NAME_BYTES_MAX 32
#define FEED_COUNT_MAX      (UINT32_C(1) << 24) /* names of one line */

/* An array that is reused. */
struct feed_buffer {
	void *bytes;
	uint64_t capacity;
};

/* Arrays belong to the line and are reused; texts belong to its JSON object. */
struct feed_line {
	struct rdx_engine_event event;
	uint64_t worker;
	uint64_t sequence; /* of the batch, where has_sequence */
	uint32_t dp_rank;
	int has_sequence;
	int has_rank;       /* worker and dp_rank were read, whatever else was not */
	int is_about_worth; /* nothing happened, but what the rank is worth is said */
	uint8_t inexact;    /* that: 0 or RDX_INEXACT_... */
	struct json_object *object;
	uint8_t parent[FEED_NAME_BYTES_MAX];
	struct feed_buffer names;
	struct feed_buffer tokens;
	struct feed_buffer locals;
	struct feed_buffer remaining;
	struct extra_keys keys;
};

/*
 * Start from {0}. The line keeps a reference of the object until it is read into again or freed.
 * `harmless`: names of fields that mean nothing, up to a NULL, or NULL. -ENOMEM; -EBADMSG with
 * `ret_fault` filled. Whatever it answers, the line can be read into again and is freed by
 * feed_line_free.
 */
int feed_line_read(struct feed_line *line, struct json_object *object, const char *const *harmless,
		   struct json_line_fault *ret_fault);
void feed_line_free(struct feed_line *line);

/* Is it a removal that may be one with its neighbours: rdx_engine_joins? */
int feed_line_is_removal(const struct feed_line *line, const struct rdx_engine_options *options);

/* Append the names of a removal to those of the one before it, of the same rank and batch: 1, or 0
 * where they are two events. -ENOMEM. */
int feed_line_join(struct feed_line *line, const struct feed_line *next,
		   const struct rdx_engine_options *options);

#endif
