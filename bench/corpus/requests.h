/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of a trace, in memory: read from a file, or made like Mooncake's conversations.
 */
#ifndef CORPUS_REQUESTS_H
#define CORPUS_REQUESTS_H

#include <stdint.h>

struct request {
	uint64_t time_ms;
	uint64_t first_id; /* of `ids` */
	uint32_t id_count; /* 512 tokens each, the last perhaps less */
	uint32_t tokens;
};

struct requests {
	struct request *list;
	uint64_t count, capacity;
	uint64_t *ids;
	uint64_t id_count, id_capacity;
	uint64_t fingerprint; /* of what they are */
};

/* Read a file in the format of docs/trace-format.md. -errno, with a message on standard error. */
int requests_read(struct requests *ret_requests, const char *path);

/* Make as many as Mooncake's conversation trace has, see format.md, or `divide` times fewer, which go
 * on from each other as often. -ENOMEM. */
int requests_make(struct requests *ret_requests, uint64_t seed, uint32_t divide);

/* Keep the first of them only: `divide` times fewer. */
void requests_shorten(struct requests *requests, uint32_t divide);

void requests_free(struct requests *requests);

#endif
