/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that a program has read from what it was fed.
 */
#ifndef RDX_TESTS_FUZZ_EVENT_H
#define RDX_TESTS_FUZZ_EVENT_H

#include <ringdex/rdx_engine.h>

/* All that the event refers to can be read, and its keys are understood or refused. What is returned
 * depends on every byte. */
uint64_t event_touch(const struct rdx_engine_event *event);

#endif
