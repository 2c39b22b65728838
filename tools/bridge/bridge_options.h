/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command line of ringdex-bridge, and the file of engines: a line each, with the same options without
 * dashes. What a line does not say, the command line does.
 */
#ifndef BRIDGE_OPTIONS_H
#define BRIDGE_OPTIONS_H

#include "tools/feed/feed_words.h"
#include <ringdex/rdx_publisher.h>

#include "tools/bridge/endpoint.h"

/* Of one engine. */
struct engine_options {
	struct rdx_publisher_options publisher;
	struct rdx_engine_options engine;
	struct feed_words words; /* to which those of the engine refer */
	char *line;              /* of the file, as words, to which the texts point */
	const char *endpoint;
	const char *replay; /* NULL: there is none */
	const char *topic;
	uint64_t lost_after_ns;
	uint64_t replay_wait_ns;
	uint32_t first_rank;
	uint32_t ranks;
	int binds; /* the engine connects to the endpoint */
	int joined_late;
	int keep_dead;
	int json; /* of the command line, as the next ones */
	int ends_with_input;
	const char *path; /* of the file; NULL: one engine, of the command line */
};

struct bridge_options {
	struct engine_options *engines;
	uint32_t count;
	uint32_t streams; /* ranks of all engines */
	int json;
	int ends_with_input; /* standard input's end is the program's */
};

/* Ends the program on a wrong command line or file. What is read stays until the program ends. */
void bridge_options_parse(int argc, char **argv, struct bridge_options *ret_options);

#endif
