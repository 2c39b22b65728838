/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores: runs with their content and extra keys, and names only.
 */
#ifndef RDX_ENGINE_STORE_H
#define RDX_ENGINE_STORE_H

#include "producer/engine/engine_state.h"

/* Publish a store into a tier, of the `place`th of the groups that count. As rdx_engine_publish. */
int rdx_engine_store(struct rdx_engine *engine, const struct rdx_engine_event *event, uint8_t tier,
		     uint32_t place);

#endif
