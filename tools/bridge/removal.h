/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbouring removals of a batch as one: engines say each block by itself, and each call costs as much as
 * ten of its names.
 */
#ifndef BRIDGE_REMOVAL_H
#define BRIDGE_REMOVAL_H

#include "tools/bridge/said.h"

/* The names of the next one behind those before, where rdx_engine_joins. 1: joined; 0: they are two
 * events. Without memory the program ends. */
int removal_join(struct said *removal, const struct said *next,
		 const struct rdx_engine_options *options);

#endif
