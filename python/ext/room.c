/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/room.h"

#include <stdint.h>
#include <stdlib.h>

#define LEAST 1024

void *room_reserve(struct room *room, size_t bytes)
{
	size_t capacity = room->capacity ? room->capacity : LEAST;
	void *grown;

	if (room->bytes && bytes <= room->capacity)
		return room->bytes;
	while (capacity < bytes && capacity <= SIZE_MAX / 2)
		capacity *= 2;
	grown = capacity >= bytes ? realloc(room->bytes, capacity) : NULL;
	if (!grown) {
		PyErr_NoMemory();
		return NULL;
	}
	room->bytes = grown;
	room->capacity = capacity;
	return grown;
}

void room_free(struct room *room)
{
	free(room->bytes);
	*room = (struct room){0};
}
