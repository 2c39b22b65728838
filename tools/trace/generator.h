/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes traces of conversations.
 *
 * A fixed number of sessions is open at once. A session starts with one of a few system
 * prompts (the first is the most common) and a first message; each later turn's prompt is
 * the turn before, its answer and a new message. A turn may also branch: go on from any
 * earlier turn of the session, as an edited message or a second try does. Arrivals follow
 * each session's own pauses, exponential in length. Same options and seed, same trace.
 */
#ifndef TRACE_GENERATOR_H
#define TRACE_GENERATOR_H

#include "tools/trace/request.h"

struct trace_generate_options {
	uint64_t requests;
	uint64_t seed;
	double rate_per_s;       /* of all sessions together */
	double branch_share;     /* of the turns after the first, 0 .. 1 */
	uint32_t sessions;       /* open at once */
	uint32_t turns;          /* per session, mean */
	uint32_t system_prompts; /* 0: none */
	uint32_t system_tokens;  /* each, mean; rounded up to whole spans */
	uint32_t first_tokens;   /* first message, mean */
	uint32_t turn_tokens;    /* later messages, mean */
	uint32_t output_tokens;  /* mean */
	uint32_t longest_tokens; /* a session ends where its prompt would be longer */
};

/* What ringdex-trace generate makes when nothing is said. */
#define TRACE_GENERATE_DEFAULTS                                                                    \
	{                                                                                          \
		.requests = 2000, .seed = 1, .rate_per_s = 20, .branch_share = 0.15,               \
		.sessions = 64, .turns = 6, .system_prompts = 4, .system_tokens = 2048,            \
		.first_tokens = 2048, .turn_tokens = 512, .output_tokens = 256,                    \
		.longest_tokens = 32768,                                                           \
	}

struct trace_generator;

/* -ENOMEM; -EINVAL where a mean, `sessions` or `rate_per_s` is 0 or longest_tokens is over
 * TRACE_INPUT_MAX or too short for a first prompt. */
int trace_generator_open(struct trace_generator **ret_generator,
			 const struct trace_generate_options *options);
void trace_generator_close(struct trace_generator *generator);

/*
 * The next request in order of time; ids count from 1. Its hash_ids belong to the
 * generator and are valid until the next call. 1, 0 when all are made, -ENOMEM.
 */
int trace_generator_next(struct trace_generator *generator, struct trace_request *ret_request);

#endif
