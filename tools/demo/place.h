/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a run keeps its files: a folder with a namespace for each pass, removed at the end
 * unless the user named it.
 */
#ifndef DEMO_PLACE_H
#define DEMO_PLACE_H

#include "tools/demo/settings.h"

/* Bytes that one pass needs at most, by the sizes in the settings. */
uint64_t place_needs(const struct settings *settings);

/*
 * Make the folder, or take the one the user named, see that there is room, and return its
 * name; NULL after a message. Before any other process or thread is started: one that the
 * demo cannot take along when it is killed removes the folder, however the demo ends.
 */
const char *place_open(const struct settings *settings);

/* Remove the namespace of a pass; nothing where the user named the folder. */
void place_drop(const char *dir);

/* The folder goes now. */
void place_close(void);

#endif
