/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rank that outgrows its tier_blocks: its ledger and its private memory become longer where they are,
 * by some records at a time.
 *
 * A tier may hold more than its tier_blocks at the cost of remembered names: all tiers together so many
 * more as there are spare records. When half of the share of remembered names is taken, a call that needs
 * more makes more; when a quarter is, rdx_publisher_check does.
 */
#ifndef RDX_ENLARGE_H
#define RDX_ENLARGE_H

#include "producer/publisher_state.h"

/* Records of the segment besides those of tier_blocks. */
uint64_t rdx_enlarge_spare(const struct rdx_publisher *p);

/* Is there room in the tier for one more block? If need be there is more then. */
int rdx_enlarge_has_spare(struct rdx_publisher *p, uint8_t tier);

/* The room that the rank has. */
struct rdx_segment_room rdx_enlarge_room(const struct rdx_publisher *p);

/* Some more records and nodes, of which none is left; or namespaces. 0, or why there are none:
 * -ENOMEM, -ENOSPC, -EFBIG, -EDQUOT: it is tried again after a second, and each time twice as long;
 * -EAGAIN: it is not time yet; -EDOM: there are names_max. */
int rdx_enlarge_nodes(struct rdx_publisher *p);
int rdx_enlarge_spaces(struct rdx_publisher *p);

/* What can wait until the engine's thread has some time: a part of it, a few hundred microseconds.
 * 0, or as above. */
int rdx_enlarge_ahead(struct rdx_publisher *p);

#endif
