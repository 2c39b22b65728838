/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a run keeps its files: one namespace, removed at the end unless the user named it.
 */
#ifndef DEMO_PLACE_H
#define DEMO_PLACE_H

#include "tools/demo/settings.h"

/* Bytes that a run needs at most, by the sizes in the settings. */
uint64_t place_needs(const struct settings *settings);

/*
 * Make the folder, or take the one the user named, see that there is room, and return its
 * name. Before any other process or thread is started. A process that outlives the demo
 * removes the folder, also after SIGKILL; an exit waits for it.
 */
const char *place_open(const struct settings *settings);

#endif
