/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a look at a rank's files and size came to, in words.
 */
#ifndef FEED_CHECK_H
#define FEED_CHECK_H

#include <ringdex/rdx_publisher.h>

struct feed_check {
	int is_outgrown;   /* else its files were removed */
	const char *found; /* "its files were removed" */
	const char *then;  /* "made again", or why not */
};

/* `result`: of rdx_publisher_check, not 0. */
struct feed_check feed_check_words(const struct rdx_publisher *publisher, int result);

#endif
