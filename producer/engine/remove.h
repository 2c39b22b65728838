/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removals of names.
 */
#ifndef RDX_ENGINE_REMOVE_H
#define RDX_ENGINE_REMOVE_H

#include "producer/engine/engine_state.h"

/* Remove the event's names from a tier, RDX_TIER_OTHER too, for the `place`th of the groups that
 * count. `ret_unknown`: names that were not there. As rdx_engine_publish. */
int rdx_engine_remove(struct rdx_engine *engine, const struct rdx_engine_event *event, uint8_t tier,
		      uint32_t place, uint64_t *ret_unknown);

#endif
