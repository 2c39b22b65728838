/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of msgpack, which end without a NUL.
 */
#ifndef BRIDGE_SAID_TEXT_H
#define BRIDGE_SAID_TEXT_H

#include "tools/bridge/said.h"

#include <string.h>

/* Is the value this text? */
static inline int said_text_is(const msgpack_object *value, const char *text)
{
	size_t length = strlen(text);

	return value->type == MSGPACK_OBJECT_STR && value->via.str.size == length &&
	       memcmp(value->via.str.ptr, text, length) == 0;
}

/* Has a text a NUL in it? Of an empty one, msgpack has no bytes. */
static inline int said_text_has_nul(const msgpack_object *text)
{
	return text->via.str.size && memchr(text->via.str.ptr, 0, text->via.str.size);
}

/* A copy of a text, with a NUL behind it, that lasts until the next event is read. There is room:
 * a text has a byte more in the payload, too. */
static inline const char *said_text_copy(struct said *said, const msgpack_object *text)
{
	char *copy = (char *)said->texts.bytes + said->texts_used;

	if (text->via.str.size)
		memcpy(copy, text->via.str.ptr, text->via.str.size);
	copy[text->via.str.size] = 0;
	said->texts_used += text->via.str.size + 1;
	return copy;
}

#endif
