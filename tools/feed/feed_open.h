/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open a rank's publisher: after a predecessor that is about to end, and in a namespace that the dead
 * may have filled.
 */
#ifndef FEED_OPEN_H
#define FEED_OPEN_H

#include <ringdex/rdx_publisher.h>

/* As rdx_publisher_open; says so where the wait becomes long, and ends it, with -EBUSY, when the
 * program is to stop. */
int feed_open(struct rdx_publisher **ret_publisher, const struct rdx_publisher_options *options);

#define FEED_OPEN_TEXT_BYTES 96

/* What of a full file system dead workers hold, behind a message: "" where that is nothing. */
const char *feed_open_full(const char *dir, char *ret_text);

#endif
