/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of a handle that calls use again: it grows, and stays.
 */
#ifndef ROOM_H
#define ROOM_H

#include "python/ext/module.h"

struct room {
	void *bytes;
	size_t capacity;
};

/* At least `bytes`, what is in it stays. NULL with an exception. */
void *room_reserve(struct room *room, size_t bytes);

void room_free(struct room *room);

#endif
