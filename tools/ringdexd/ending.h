/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of the daemon within one time: answers and bridges get most of it, then what is left is cut off. No turn
 * of the loop is allowed to sleep beyond it.
 */
#ifndef RINGDEXD_ENDING_H
#define RINGDEXD_ENDING_H

#include <stdint.h>

#define ENDING_ANSWERS_NS UINT64_C(600000000) /* in which answers may be taken, and bridges end */
#define ENDING_CUT_NS                                                                              \
	UINT64_C(750000000) /* from the begin on: by then what was cut off is closed */
#define ENDING_NS      UINT64_C(900000000) /* likewise: the last line of the log is written, or lost */
#define ENDING_TURN_NS UINT64_C(50000000) /* between two looks at what has become idle */

/* What ends, and the clock: a test has others. */
struct ending_calls {
	uint64_t (*now_ns)(void);
	/* Begin nothing new, and end what is idle: how much is under way. Called again and again. */
	uint32_t (*under_way)(void *context);
	/* End all of it. */
	void (*cut)(void *context);
	/* How much of that is not closed yet. */
	uint32_t (*unclosed)(void *context);
	/* Let it go on, for so long at most. -errno: it cannot */
	int (*turn)(void *context, uint64_t most_ns);
};

/* Returns when all is closed, or ENDING_CUT_NS after the call. */
void ending_run(const struct ending_calls *calls, void *context);

#endif
