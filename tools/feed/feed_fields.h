/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of a line, by what they may be called: docs/feed-format.md.
 */
#ifndef FEED_FIELDS_H
#define FEED_FIELDS_H

#include "tools/program/json_line.h"

enum feed_field {
	FEED_WORKER,
	FEED_RANK,
	FEED_SEQUENCE,
	FEED_TIME,
	FEED_TYPE,
	FEED_MEDIUM,
	FEED_GROUP,
	FEED_SPEC_KIND,
	FEED_LOCALITY,
	FEED_OWNERSHIP,
	FEED_NAMES,
	FEED_PARENT,
	FEED_TOKENS,
	FEED_LOCALS,
	FEED_BLOCK_TOKENS,
	FEED_LORA,
	FEED_LORA_ID,
	FEED_SALT,
	FEED_EXTRA_KEYS,
	FEED_MM_KEYS,
	FEED_REMAINING,
	FEED_INEXACT,
	FEED_FIELDS
};

/* Of one line. What is absent or null is NULL. */
struct feed_fields {
	struct json_object *values[FEED_FIELDS];
	const char *names[FEED_FIELDS]; /* as the line calls them, else as they are called first */
	uint32_t unknown;               /* fields that may mean anything, and second names that say
					   something else */
};

/* Sort a line's members. `harmless`: names, up to a NULL, of fields that mean nothing; or NULL. */
void feed_fields_sort(struct feed_fields *ret_fields, struct json_object *object,
		      const char *const *harmless);

/* All but the first answer 0, with the value or what stands for absent, or -EBADMSG with
 * `ret_fault` filled. */
int feed_fields_has(const struct feed_fields *fields, enum feed_field field);
int feed_fields_unsigned(const struct feed_fields *fields, enum feed_field field, uint64_t max,
			 uint64_t *ret_value, struct json_line_fault *ret_fault);
int feed_fields_text(const struct feed_fields *fields, enum feed_field field, const char **ret_text,
		     struct json_line_fault *ret_fault);
int feed_fields_array(const struct feed_fields *fields, enum feed_field field,
		      struct json_object **ret_array, uint64_t *ret_count,
		      struct json_line_fault *ret_fault);

/* "NAME is VALUE: `what`", NAME with `index` behind it, UINT64_MAX: without. -EBADMSG. */
int feed_fields_fault(const struct feed_fields *fields, enum feed_field field, uint64_t index,
		      struct json_object *value, const char *what,
		      struct json_line_fault *ret_fault);

#endif
