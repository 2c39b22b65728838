/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An array that grows and is used again.
 */
#ifndef BRIDGE_VECTOR_H
#define BRIDGE_VECTOR_H

#include "tools/program/messages.h"

#include <stdint.h>
#include <stdlib.h>

/* {0} has room for nothing. */
struct vector {
	void *bytes;
	uint64_t capacity;
};

/* Room for `bytes` bytes; what is there stays. Without memory the program ends. */
static inline void *vector_reserve(struct vector *vector, uint64_t bytes)
{
	if (bytes > vector->capacity) {
		void *grown = realloc(vector->bytes, 2 * bytes);

		if (!grown)
			messages_no_memory();
		vector->bytes = grown;
		vector->capacity = 2 * bytes;
	}
	return vector->bytes;
}

static inline void vector_free(struct vector *vector)
{
	free(vector->bytes);
	*vector = (struct vector){0};
}

#endif
