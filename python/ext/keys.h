/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What names blocks besides their tokens, from the objects that engines have it in. What a key means is
 * for rdx_engine.h to say; here it is only seen of what kind it is.
 */
#ifndef KEYS_H
#define KEYS_H

#include "python/ext/room.h"

#include <ringdex/rdx_engine.h>

/* Texts and bytes in it belong to objects that are held until keys_clear. */
struct keys {
	struct room room; /* of struct rdx_engine_key */
	struct room held; /* of PyObject *, one a key, or NULL */
	uint64_t count;
};

void keys_clear(struct keys *keys);
void keys_free(struct keys *keys);

/* Append the keys of a list with an entry a block: None, or a list or tuple of keys. Of `are_objects`
 * (mm_keys) a text is an object's identifier. -1 with an exception. */
int keys_read(struct keys *keys, PyObject *list, int are_objects, uint64_t *ret_blocks);

/* Append a token that is a text. -1 with an exception. */
int keys_add_token(struct keys *keys, PyObject *text, uint32_t index, uint32_t *ret_token);

/* Does a list, or None, have a key? */
int keys_says_something(PyObject *list);

#endif
