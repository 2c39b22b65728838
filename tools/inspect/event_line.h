/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event as the JSON line that ringdex-feed accepts, prefix hashes as block names.
 */
#ifndef INSPECT_EVENT_LINE_H
#define INSPECT_EVENT_LINE_H

#include <ringdex/rdx_reader.h>
#include <stdint.h>

/* Room for the prefix hashes of a Stored event, kept from one event to the next. {0}. */
struct event_line {
	uint64_t *prefix;
	uint64_t capacity;
};
void event_line_free(struct event_line *line);

/* Print it. Ends the program without memory. */
void event_line_print(struct event_line *line, const struct rdx_rank_info *info,
		      const struct rdx_event *event);

/* Print a clear of all tiers that no event stands for: the rank began another life. */
void event_line_print_restart(const struct rdx_rank_info *info);

#endif
