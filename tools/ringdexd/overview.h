/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes on in the namespace, as one JSON object: made once a second at most, however many ask, and not
 * at all where nobody does.
 */
#ifndef RINGDEXD_OVERVIEW_H
#define RINGDEXD_OVERVIEW_H

#include "tools/ringdexd/answer.h"
#include "tools/ringdexd/keeper.h"
#include "tools/ringdexd/shelf.h"

struct overview;

/* NULL without memory. All three stay the caller's. */
struct overview *overview_new(struct space *space, struct shelf *shelf, struct keeper *keeper);
void overview_free(struct overview *overview);

/* The number of the newest one, made now where that is due; 0: there is no memory for any. */
uint64_t overview_look(struct overview *overview, uint64_t now_ns);

/* Append the newest one. */
void overview_put(const struct overview *overview, struct answer *answer);

/* Nobody asks any more: the next one begins anew, without rates. */
void overview_rest(struct overview *overview);

#endif
