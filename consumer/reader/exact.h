/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rank holds after one event, from its ledger and the ring after it, told to who collects it. For side
 * readers; the shared index is made by other code, so that one can check the other.
 */
#ifndef RDX_EXACT_H
#define RDX_EXACT_H

#include "consumer/reader/reader.h"

/* Part of what collects. An error of one of its calls ends the collecting. */
struct rdx_exact_collector {
	/* The tier holds it, says the ledger. -ENOMEM */
	int (*hold)(struct rdx_exact_collector *collector, uint64_t prefix, uint8_t tier);
	/*
	 * Records that `hold` was called for, where a tier holds them. A block that is held without a break
	 * from the scan's begin to the state that is asked for has its own description in them now; any
	 * other that is held then is described by its Stored. NULL: nobody wants to know.
	 */
	void (*describe)(struct rdx_exact_collector *collector,
			 const struct rdx_ledger_record *records, uint64_t count);
	/* The event comes after that. -ENOMEM */
	int (*apply)(struct rdx_exact_collector *collector, const struct rdx_event *event);
	/* It was all in vain, and comes again. */
	void (*forget)(struct rdx_exact_collector *collector);
};

/*
 * Collect what the rank holds after the event at *ret_exact_at, at or after `at_least_event_id`. As
 * rdx_reader_resident: -EAGAIN, -EOWNERDEAD, -EBADMSG, -ENOMEM; what was collected is void then.
 */
int rdx_exact_collect(struct rdx_reader *reader, uint64_t at_least_event_id,
		      struct rdx_exact_collector *collector, struct rdx_cursor *ret_exact_at);

#endif
