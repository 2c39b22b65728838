/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ZeroMQ addresses as requests give them: each of one stream, where a bridge's option is of an engine's rank 0.
 */
#ifndef RINGDEXD_ZMQ_ENDPOINT_H
#define RINGDEXD_ZMQ_ENDPOINT_H

#include <ringdex/rdx_types.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Is it one that a bridge can connect to for data-parallel rank `dp_rank`: tcp://HOST:PORT or ipc://PATH? 0; or
 * -EINVAL: ret_fault says why not, as Dynamo's indexer does where it refuses the same.
 */
int zmq_endpoint_check(const char *endpoint, uint32_t dp_rank, char *ret_fault, size_t bytes);

/* What a bridge is told, so that its rank `dp_rank` is at this endpoint. Of one without fault. */
void zmq_endpoint_of_rank_0(const char *endpoint, uint32_t dp_rank,
			    char ret_endpoint[RDX_TEXT_BYTES]);

#endif
