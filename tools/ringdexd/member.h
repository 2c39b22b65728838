/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of a JSON object, one after the other: behind the brace, or after a comma.
 */
#ifndef RINGDEXD_MEMBER_H
#define RINGDEXD_MEMBER_H

#include "tools/ringdexd/answer.h"

#include <ringdex/rdx_types.h>

/* `name` needs no escapes. A value of any kind is to follow. */
void member_begin(struct answer *answer, const char *name);

void member_number(struct answer *answer, const char *name, uint64_t number);

/* null where there is no text: NULL. */
void member_text(struct answer *answer, const char *name, const char *text);

/* null where it is not known. */
void member_if(struct answer *answer, const char *name, int is_known, uint64_t number);

/* Nanoseconds; UINT64_MAX: it is not known. */
void member_age(struct answer *answer, const char *name, uint64_t age_ns);

/* An object: a number for each tier. */
void member_tiers(struct answer *answer, const char *name, const uint64_t blocks[RDX_TIER_COUNT]);

/* The same for each way: struct rdx_index_rank's. */
void member_recoveries(struct answer *answer, const char *name, const uint64_t *recoveries);

#endif
