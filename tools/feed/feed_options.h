/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command line of ringdex-feed.
 */
#ifndef FEED_OPTIONS_H
#define FEED_OPTIONS_H

#include <ringdex/rdx_publisher.h>

struct feed_options {
	struct rdx_publisher_options publisher;
	const char *path;
	int hold;
	int quiet;
};

/* Ends the program on a wrong command line. */
void feed_options_parse(int argc, char **argv, struct feed_options *ret_options);

#endif
