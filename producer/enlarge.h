/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rank that outgrows its tier_blocks goes on in a larger segment, as a new epoch.
 *
 * A tier may hold more than its tier_blocks at the cost of remembered names: all tiers together so many
 * more as there are spare records. So blocks have a place, and the rank is EXACT, until its thread can
 * spare the time to grow (rdx_publisher_check).
 */
#ifndef RDX_ENLARGE_H
#define RDX_ENLARGE_H

#include "producer/publisher_state.h"

/* Records of the segment besides those of tier_blocks. */
uint64_t rdx_enlarge_spare(const struct rdx_publisher *p);

/* Is there room in the tier for one more block? */
int rdx_enlarge_has_spare(const struct rdx_publisher *p, uint8_t tier);

/* The room that the rank has. */
struct rdx_segment_room rdx_enlarge_room(const struct rdx_publisher *p);

/* Is it time to grow, and may it? */
int rdx_enlarge_due(const struct rdx_publisher *p);

/* Make segment and private memory larger, twice what is needed now. On failure all is as it was.
 * As rdx_publisher_renew; -ENOMEM. */
int rdx_enlarge(struct rdx_publisher *p, int dir_fd);

#endif
