/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of one connection, read by llhttp: target, body, and the headers that matter here.
 */
#ifndef RINGDEXD_REQUEST_READER_H
#define RINGDEXD_REQUEST_READER_H

#include "tools/ringdexd/grown.h"
#include "tools/ringdexd/origin.h"
#include "tools/ringdexd/server.h"

#include <llhttp.h>

#define REQUEST_FIELD_BYTES 64 /* of a header's name that we want, or less */
#define REQUEST_VALUE_BYTES 1024
#define REQUEST_TAGS_BYTES  128 /* of tags, with the NUL; what is longer has none of ours */

enum request_reader_outcome {
	REQUEST_MORE,    /* all was taken, and there is more to come */
	REQUEST_WHOLE,   /* up to the end of a request */
	REQUEST_REFUSED, /* nothing more can be read: `refusal` */
};

struct request_reader {
	llhttp_t parser; /* method and version too */
	const struct server_options *options;
	struct grown target; /* ends with a NUL */
	struct grown body;   /* BODY_PADDING bytes behind it are 0; empty if none is taken */
	size_t body_bytes;   /* that came of it */
	size_t head_bytes;
	uint32_t field_bytes, value_bytes;
	char field[REQUEST_FIELD_BYTES],
		value[REQUEST_VALUE_BYTES]; /* of the header that is being read */
	char none_match[REQUEST_TAGS_BYTES];
	struct origin origin;
	int fd;
	uid_t peer;  /* of a Unix socket: whose process connected */
	int refusal; /* the status that the request gets before it is whole; 0 */
	uint8_t is_unix;
	uint8_t is_loopback; /* it came to an address of this host's own */
	uint8_t is_begun;    /* some of a request was read */
	uint8_t is_json;
	uint8_t takes_openmetrics;
	uint8_t has_token;
	uint8_t takes_body;   /* there is such a route */
	uint8_t is_asked;     /* whether it may send its body */
	uint8_t is_head_read; /* what looks like a header from then on is a trailer */
};

/* `fd`: who asks by it whether a body may come is told that it may. What is kept of requests is of that budget, and of
 * all of which that is a part once a request had the token. */
void request_reader_begin(struct request_reader *reader, const struct server_options *options,
			  struct budget *budget, int fd, int is_unix);

/* Free what the body takes: nobody reads it any more. */
void request_reader_drop_body(struct request_reader *reader);

/* Free its memory; between two requests it may go on. */
void request_reader_drop(struct request_reader *reader);

/* Read so many bytes, up to the end of a request. */
enum request_reader_outcome request_reader_take(struct request_reader *reader, const char *bytes,
						size_t count, size_t *ret_taken);

/* Why it is refused, in words. */
const char *request_reader_why(const struct request_reader *reader);

#endif
