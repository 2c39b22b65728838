/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counters of a publisher, RDX_COUNTER_..., by name and in words.
 */
#ifndef PROGRAM_COUNTERS_H
#define PROGRAM_COUNTERS_H

/* Its name as in rdx_publisher.h; NULL where it is per tier, a flag, or not used. */
const char *counters_name(unsigned int counter);

/* What one that warns counts, and why, for figures_counted; NULL for all others. */
const char *counters_warning(unsigned int counter);

#endif
