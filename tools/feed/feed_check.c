/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/feed/feed_check.h"

#include "tools/program/messages.h"

struct feed_check feed_check_words(const struct rdx_publisher *publisher, int result)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};
	struct feed_check check = {.found = "its files were removed"};

	(void)rdx_publisher_get_stats(publisher, &stats);
	check.is_outgrown = result < 0 && stats.outgrown && !stats.name_lost;
	check.then = result > 0 ? "made again" : messages_explain_create(result);
	if (result == RDX_CHECK_EMPTIED) {
		check.found = "its files were removed, damaged or made anew by others";
		check.then = "made again, empty: it is LACKING until its next clear of all";
	}
	if (check.is_outgrown)
		check.found = "it has outgrown its blocks";
	return check;
}
