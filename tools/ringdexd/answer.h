/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request is answered with: a status, a content type, a body that grows. Its memory is kept from one
 * answer to the next. Where there is none, the answer is broken, and its connection ends.
 */
#ifndef RINGDEXD_ANSWER_H
#define RINGDEXD_ANSWER_H

#include "tools/ringdexd/budget.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWER_HEAD_BYTES 768 /* kept free before the body */

struct stream;

struct answer {
	char *bytes; /* ANSWER_HEAD_BYTES, then the body */
	size_t used; /* with the head's bytes */
	size_t capacity;
	struct budget *budget; /* that the capacity is of; NULL: of none */
	const char *type;
	const char *headers;   /* more of them, each line with its end; NULL: none */
	struct stream *stream; /* the body comes from it, piece by piece; NULL: it is whole */
	int status;
	int broken; /* -ENOMEM; -ENOBUFS: not of this budget */
	int is_endless; /* a stream that ends with its client, also where that has only ended its half */
	int is_chunked; /* a body in pieces, for clients that know its end by that of a chunk */
};

/* Begin anew: 200, JSON, no body. */
void answer_begin(struct answer *answer);
void answer_free(struct answer *answer);

/* What the body has so far; not valid after the next call that appends. */
static inline const char *answer_body(const struct answer *answer)
{
	return answer->bytes + ANSWER_HEAD_BYTES;
}
static inline size_t answer_body_bytes(const struct answer *answer)
{
	return answer->used - ANSWER_HEAD_BYTES;
}

/* Append. */
void answer_bytes(struct answer *answer, const char *bytes, size_t count);
void answer_text(struct answer *answer, const char *text);
void answer_number(struct answer *answer, uint64_t number);
void answer_print(struct answer *answer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* As a JSON string: quoted, escaped, bytes that are no UTF-8 as U+FFFD each. */
void answer_json_text(struct answer *answer, const char *text);

/* {"status":"ok"}, and that status. */
void answer_ok(struct answer *answer, int status);

/* Instead of anything else: {"error": TEXT}; TEXT as it is. */
void answer_error(struct answer *answer, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void answer_plain(struct answer *answer, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The body comes from there (stream.h). Nothing is appended after this call but by the stream. */
void answer_stream(struct answer *answer, struct stream *stream);

/*
 * Put the head before the body: what is to be sent, in the answer's memory. `has_body` 0: as of a HEAD
 * request. `last`: the connection ends after it.
 */
const char *answer_finish(struct answer *answer, int has_body, int last, size_t *ret_count);

/* The next piece of a stream's body begins; then as it is to be sent, of no bytes where there is nothing in it.
 * `ends`: it is the last. */
void answer_begin_piece(struct answer *answer);
const char *answer_finish_piece(struct answer *answer, int ends, size_t *ret_count);

#endif
