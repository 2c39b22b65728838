/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the index right? Each engine lists its own cache, straight from its block pool; the
 * index is walked by this process, which is neither worker nor router. The two are compared
 * block by block, both ways, in every tier, at one and the same event.
 */
#ifndef DEMO_COMPARE_H
#define DEMO_COMPARE_H

#include "tools/demo/pass.h"

/*
 * Compare every worker; the pass is settled. Adds to pass->comparison, and says what came
 * of it. -errno only where a worker does not answer.
 */
int compare_all(struct pass *pass);

#endif
