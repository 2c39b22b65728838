/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the chaos takes place: a file system of its own that may be full, and a namespace in which
 * other users may write, where either is allowed.
 */
#ifndef RDX_TESTS_CHAOS_GROUND_H
#define RDX_TESTS_CHAOS_GROUND_H

#include "tests/chaos/crew.h"

#define GROUND_GROUP 54320 /* made up, as users are */

/* Make crew.top and crew.dir, which go when this process ends. Says what is not allowed here. */
void ground_make(struct crew *crew);

/* Make the namespace's directory where it is gone, or was made without the group. */
void ground_make_dir(const struct crew *crew);

/* Remove what has the name, whatever is made in it meanwhile. */
void ground_remove(const char *path);

#endif
