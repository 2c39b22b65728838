/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/numbers.h"

#include "python/ext/arguments.h"

#include <string.h>

void numbers_free(struct numbers *numbers)
{
	if (numbers->view.obj)
		PyBuffer_Release(&numbers->view);
	*numbers = (struct numbers){0};
}

static int refuse(const char *name, Py_ssize_t at, PyObject *value, const char *what)
{
	arguments_refuse(PyExc_ValueError, name, at, value, what);
	return 0;
}

/* An int of any integer type. A new reference, or NULL with an exception. */
static PyObject *whole(PyObject *from, const char *name, Py_ssize_t at)
{
	PyObject *number;

	Py_INCREF(from);
	if (PyLong_Check(from))
		return from;
	number = PyNumber_Index(from);
	if (!number && PyErr_ExceptionMatches(PyExc_TypeError))
		arguments_refuse(PyExc_TypeError, name, at, from, "a whole number");
	Py_DECREF(from);
	return number;
}

int numbers_one(PyObject *from, uint32_t *ret_value, const char *name, Py_ssize_t at)
{
	PyObject *number = whole(from, name, at);
	unsigned long value;
	int r = 1;

	if (!number)
		return 0;
	value = PyLong_AsUnsignedLong(number);
	if (value > UINT32_MAX)
		r = refuse(name, at, number, "a number from 0 to 2^32 - 1");
	else
		*ret_value = (uint32_t)value;
	Py_DECREF(number);
	return r;
}

int numbers_word(PyObject *number, uint64_t *ret_value)
{
	int overflow;

	*ret_value = (uint64_t)PyLong_AsLongLongAndOverflow(number, &overflow);
	if (overflow <= 0)
		return overflow == 0;
	*ret_value = PyLong_AsUnsignedLongLong(number);
	if (*ret_value != UINT64_MAX || !PyErr_Occurred())
		return 1;
	PyErr_Clear();
	return 0;
}

static int one_u64(PyObject *from, uint64_t *ret_value, const char *name, Py_ssize_t at)
{
	PyObject *number = whole(from, name, at);
	int r = 1;

	if (!number)
		return 0;
	if (!numbers_word(number, ret_value))
		r = refuse(name, at, number, "a number of 64 bits");
	Py_DECREF(number);
	return r;
}

uint32_t numbers_name(PyObject *from, uint8_t *ret_bytes, const char *name, Py_ssize_t at)
{
	uint64_t integer;
	Py_ssize_t bytes;
	char *text;

	if (!PyBytes_Check(from)) {
		if (!one_u64(from, &integer, name, at))
			return 0;
		memcpy(ret_bytes, &integer, sizeof(integer));
		return sizeof(integer);
	}
	if (PyBytes_AsStringAndSize(from, &text, &bytes) < 0)
		return 0;
	if (bytes != NUMBERS_NAME_BYTES_MAX && bytes != sizeof(uint64_t))
		return (uint32_t)refuse(name, at, from,
					"32 bytes, 8 bytes, or a number of 64 bits");
	memcpy(ret_bytes, text, (size_t)bytes);
	return (uint32_t)bytes;
}

/* Is the buffer one of integers, and which: their sign and size in bytes; 0 where it is none. */
static int integer_format(const Py_buffer *view, int *ret_is_signed)
{
	const char *format = view->format ? view->format : "B";

	if (*format == '@' || *format == '=' || *format == '<')
		format++;
	if (strlen(format) != 1 || !strchr("bBhHiIlLqQnN", *format))
		return 0;
	*ret_is_signed = *format >= 'a';
	return (int)view->itemsize;
}

static uint64_t element(const uint8_t *at, int size, int is_signed)
{
	uint64_t value = 0;

	memcpy(&value, at, (size_t)size); /* little-endian, as all that ringdex runs on */
	if (is_signed && size < 8 && value >> (8 * size - 1))
		value |= UINT64_MAX << (8 * size);
	return value;
}

static int negative_at(const struct numbers *numbers)
{
	const uint32_t *at = numbers->at;
	uint32_t any = 0;

	for (uint64_t i = 0; i < numbers->count; i++)
		any |= at[i];
	return any >> 31;
}

static int copy_elements(struct numbers *numbers, int size, int is_signed, struct room *room,
			 const char *name)
{
	const uint8_t *from = numbers->view.buf;
	uint8_t *to = room_reserve(room, numbers->count * numbers->width);

	if (!to)
		return -1;
	for (uint64_t i = 0; i < numbers->count; i++) {
		uint64_t value = element(from + i * (uint64_t)size, size, is_signed);

		if (numbers->width == 4 && value > UINT32_MAX) {
			PyErr_Format(PyExc_ValueError,
				     "%s[%llu] is out of range: give numbers from 0 to 2^32 - 1",
				     name, (unsigned long long)i);
			return -1;
		}
		memcpy(to + i * numbers->width, &value, numbers->width);
	}
	numbers->at = to;
	return 0;
}

/* A buffer of integers, in one dimension. Bytes might be meant as anything. */
static int take_buffer(struct numbers *numbers, struct room *room, const char *name)
{
	int is_signed, size = integer_format(&numbers->view, &is_signed);

	if (size < 2 || numbers->view.ndim != 1) {
		PyErr_Format(
			PyExc_TypeError,
			"%s is a buffer of \"%s\" in %d dimensions: give integers of 2, 4 or 8 "
			"bytes in one",
			name, numbers->view.format ? numbers->view.format : "B",
			numbers->view.ndim);
		return -1;
	}
	numbers->count = (uint64_t)(numbers->view.len / numbers->view.itemsize);
	numbers->at = numbers->view.buf;
	if (size != (int)numbers->width || (uintptr_t)numbers->at % numbers->width ||
	    (size == 4 && is_signed && negative_at(numbers)))
		return copy_elements(numbers, size, is_signed, room, name);
	return 0;
}

/* 1: it has a buffer; 0: it has none; -1 with an exception. */
static int open_buffer(struct numbers *numbers, PyObject *from)
{
	if (PyList_Check(from) || PyTuple_Check(from) || !PyObject_CheckBuffer(from))
		return 0;
	return PyObject_GetBuffer(from, &numbers->view, PyBUF_CONTIG_RO | PyBUF_FORMAT) < 0 ? -1
											    : 1;
}

/* A list or a tuple with the elements. A new reference. */
static PyObject *listed(PyObject *from, const char *name)
{
	PyObject *list = arguments_list(from);

	if (!list && PyErr_ExceptionMatches(PyExc_TypeError))
		arguments_refuse(PyExc_TypeError, name, ARGUMENTS_WHOLE, from,
				 "a list, a tuple or a buffer");
	return list;
}

/* Of the element `at`, into the room; 0 with an exception. */
typedef int take_one(struct numbers *numbers, PyObject *value, struct room *room, const char *name,
		     Py_ssize_t at);

static int take_u32(struct numbers *numbers, PyObject *value, struct room *room, const char *name,
		    Py_ssize_t at)
{
	(void)numbers;
	return numbers_one(value, (uint32_t *)room->bytes + at, name, at);
}

static int take_u64(struct numbers *numbers, PyObject *value, struct room *room, const char *name,
		    Py_ssize_t at)
{
	(void)numbers;
	return one_u64(value, (uint64_t *)room->bytes + at, name, at);
}

static int take_name(struct numbers *numbers, PyObject *value, struct room *room, const char *name,
		     Py_ssize_t at)
{
	uint8_t bytes[NUMBERS_NAME_BYTES_MAX];
	uint32_t width = numbers_name(value, bytes, name, at);

	if (!width)
		return 0;
	if (at && width != numbers->width) {
		PyErr_Format(PyExc_ValueError,
			     "%s[%zd] has %u bytes, those before have %u: give names of one size",
			     name, at, width, numbers->width);
		return 0;
	}
	numbers->width = width;
	memcpy((uint8_t *)room->bytes + (size_t)at * width, bytes, width);
	return 1;
}

/* How many of the first elements are plain ints in range: these run no code of Python's. */
static Py_ssize_t take_plain_u32(PyObject *list, Py_ssize_t count, uint32_t *to)
{
	Py_ssize_t i = 0;

	MODULE_HOLD(list);
	if (count > PyList_Size(list))
		count = PyList_Size(list);
	for (; i < count; i++) {
		PyObject *value = PyList_GetItem(list, i);
		long number = PyLong_CheckExact(value) ? PyLong_AsLong(value) : -1;

		if (number < 0 || number > UINT32_MAX)
			break;
		to[i] = (uint32_t)number;
	}
	MODULE_LET_GO();
	PyErr_Clear(); /* of one beyond 64 bits, which is looked at again */
	return i;
}

static int take_list(struct numbers *numbers, PyObject *from, uint32_t width, take_one *take,
		     struct room *room, const char *name)
{
	PyObject *list = listed(from, name);
	Py_ssize_t count = list ? arguments_length(list) : -1;
	int ok = count >= 0 && room_reserve(room, (size_t)count * width);
	Py_ssize_t i = 0;

	if (ok && take == take_u32 && PyList_CheckExact(list))
		i = take_plain_u32(list, count, room->bytes);
	for (; ok && i < count; i++) {
		/* a list may shrink under its own elements */
		PyObject *value = arguments_item(list, i);

		ok = value && take(numbers, value, room, name, i);
		Py_XDECREF(value);
	}
	Py_XDECREF(list);
	numbers->at = room->bytes;
	numbers->count = (uint64_t)count;
	return ok ? 0 : -1;
}

static int take_all(struct numbers *ret_numbers, PyObject *from, uint32_t width, take_one *take,
		    struct room *room, const char *name)
{
	struct numbers numbers = {.width = width};
	int r = open_buffer(&numbers, from);

	if (r == 0)
		r = take_list(&numbers, from, width, take, room, name);
	else if (r > 0)
		r = take_buffer(&numbers, room, name);
	if (r < 0)
		numbers_free(&numbers);
	else
		*ret_numbers = numbers;
	return r;
}

int numbers_stay(PyObject *from)
{
	return PyList_Check(from) || PyTuple_Check(from) || PyObject_CheckBuffer(from);
}

int numbers_u32(struct numbers *ret_numbers, PyObject *from, struct room *room, const char *name)
{
	return take_all(ret_numbers, from, sizeof(uint32_t), take_u32, room, name);
}

int numbers_u64(struct numbers *ret_numbers, PyObject *from, struct room *room, const char *name)
{
	return take_all(ret_numbers, from, sizeof(uint64_t), take_u64, room, name);
}

/* Names of bytes, one a row. */
static int is_rows(const Py_buffer *view)
{
	return view->ndim == 2 && view->itemsize == 1 &&
	       (view->shape[1] == NUMBERS_NAME_BYTES_MAX || view->shape[1] == sizeof(uint64_t));
}

int numbers_names(struct numbers *ret_numbers, PyObject *from, struct room *room, const char *name)
{
	struct numbers numbers = {.width = sizeof(uint64_t)};
	int r = open_buffer(&numbers, from), is_signed;

	if (r == 0) {
		r = take_list(&numbers, from, NUMBERS_NAME_BYTES_MAX, take_name, room, name);
	} else if (r > 0 && is_rows(&numbers.view)) {
		numbers.at = numbers.view.buf;
		numbers.count = (uint64_t)numbers.view.shape[0];
		numbers.width = (uint32_t)numbers.view.shape[1];
		r = 0;
	} else if (r > 0 && integer_format(&numbers.view, &is_signed) != sizeof(uint64_t)) {
		PyErr_Format(
			PyExc_TypeError,
			"%s is a buffer of other elements: give 64-bit integers, or bytes with the "
			"shape (count, 32)",
			name);
		r = -1;
	} else if (r > 0) {
		r = take_buffer(&numbers, room, name);
	}
	if (r < 0)
		numbers_free(&numbers);
	else
		*ret_numbers = numbers;
	return r;
}
