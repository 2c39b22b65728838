/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers: URLs of other indexers, kept for clients that register them, and told again. This daemon asks none: what it
 * knows is in shared memory. In memory only; of the loop's thread.
 */
#ifndef RINGDEXD_PEERS_H
#define RINGDEXD_PEERS_H

#include "tools/ringdexd/server.h"

#include <ringdex/rdx_types.h>

#define PEERS_MAX 64

/* {0} is empty. */
struct peers {
	char urls[PEERS_MAX][RDX_TEXT_BYTES];
	uint32_t count;
};

/* POST /register_peer, POST /deregister_peer, GET /peers. Context: struct desk. */
void peers_register(void *context, const struct request *request, struct answer *ret_answer);
void peers_deregister(void *context, const struct request *request, struct answer *ret_answer);
void peers_answer(void *context, const struct request *request, struct answer *ret_answer);

#endif
