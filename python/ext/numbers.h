/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many integers at once: lists, tuples, arrays, numpy, any buffer or sequence. A buffer whose elements have the
 * size asked for is read where it lies; all else is copied into a room.
 */
#ifndef NUMBERS_H
#define NUMBERS_H

#include "python/ext/room.h"

#include <stdint.h>

struct numbers {
	const void *at; /* NULL where there are none */
	uint64_t count;
	uint32_t width; /* bytes an element */
	Py_buffer view; /* view.obj is NULL where `at` is in the room */
};

/* `ret_numbers` is freed by numbers_free after success. -1 with an exception that calls them `name`. */
int numbers_u32(struct numbers *ret_numbers, PyObject *from, struct room *room, const char *name);
int numbers_u64(struct numbers *ret_numbers, PyObject *from, struct room *room, const char *name);

/* May it be read twice? A list is what it has, a buffer too; what another sequence gives is its own code's. */
int numbers_stay(PyObject *from);

/* Names of blocks: 8 bytes from integers, signed or not, 32 from bytes; all of one size. */
int numbers_names(struct numbers *ret_numbers, PyObject *from, struct room *room, const char *name);

/* One name: its bytes, 8 or 32; 0 with an exception. */
uint32_t numbers_name(PyObject *from, uint8_t *ret_bytes, const char *name, Py_ssize_t at);

/* One number of 32 bits; 0 with an exception. `at`: where it stands, for the exception. */
int numbers_one(PyObject *from, uint32_t *ret_value, const char *name, Py_ssize_t at);

/* 64 bits of an int, signed or not: they are the same bits. 0, without an exception, where it has more. Half of
 * SGLang's names are negative, so that none may cost an exception. */
int numbers_word(PyObject *number, uint64_t *ret_value);

void numbers_free(struct numbers *numbers);

#define NUMBERS_NAME_BYTES_MAX 32

#endif
