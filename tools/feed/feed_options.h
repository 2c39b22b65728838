/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command line of ringdex-feed.
 */
#ifndef FEED_OPTIONS_H
#define FEED_OPTIONS_H

#include "tools/feed/feed_words.h"
#include <ringdex/rdx_publisher.h>

/* What is to be done about a line that cannot be read. */
enum { FEED_UNREADABLE_INEXACT, FEED_UNREADABLE_SKIP };

struct feed_options {
	struct rdx_publisher_options publisher;
	struct rdx_engine_options engine;
	struct feed_words words; /* to which those of the engine refer */
	const char *path;
	uint32_t on_unreadable; /* FEED_... */
	int joined_late;
	int keep_dead;
	int hold;
	int quiet;
};

/* Ends the program on a wrong command line. */
void feed_options_parse(int argc, char **argv, struct feed_options *ret_options);

#endif
