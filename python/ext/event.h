/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine's event as objects, made a struct rdx_engine_event: decoded, not interpreted.
 */
#ifndef EVENT_H
#define EVENT_H

#include "python/ext/keys.h"
#include "python/ext/numbers.h"

/* Fields of events for which the translator has a place. */
enum event_field {
	EVENT_NAMES,
	EVENT_PARENT,
	EVENT_TOKENS,
	EVENT_LOCALS,
	EVENT_BLOCK_TOKENS,
	EVENT_LORA_ID,
	EVENT_LORA,
	EVENT_SALT,
	EVENT_MEDIUM,
	EVENT_EXTRA_KEYS,
	EVENT_MM_KEYS,
	EVENT_GROUP,
	EVENT_SPEC_KIND,
	EVENT_LOCALITY,
	EVENT_OWNERSHIP,
	EVENT_REMAINING,
	EVENT_FIELDS
};

/* What engines call it; NULL: no engine has it. */
const char *event_field_name(enum event_field field);

/* One event's values; NULL and None say that a field is absent. */
struct event_values {
	PyObject *of[EVENT_FIELDS];
};

/* What decoding needs; of a handle, used again by each call. */
struct event_reader {
	struct room names, tokens, locals, remaining;
	struct keys keys;
	struct numbers read[4]; /* of the event read last: buffers that are open */
	uint8_t parent[NUMBERS_NAME_BYTES_MAX];
};

/* Decode all but the type, the time and unknown fields. What `ret_event` points to is valid until
 * event_done, as long as the values are. -1 with an exception that names the field; then, too,
 * event_done is to be called. */
int event_read(struct event_reader *reader, const struct event_values *values,
	       struct rdx_engine_event *ret_event);
void event_done(struct event_reader *reader);

void event_reader_free(struct event_reader *reader);

#endif
