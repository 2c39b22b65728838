/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds how much of a prompt: the routes of NVIDIA Dynamo's stand-alone indexer (dynamo-kv-router
 * 1.6.1), field for field. Context of each is a struct desk.
 *
 * Rows are of ranks that are EXACT, LACKING or INEXACT: what that route's clients know of others is that
 * they hold nothing.
 */
#ifndef RINGDEXD_QUERY_H
#define RINGDEXD_QUERY_H

#include "tools/ringdexd/server.h"

/* POST /query: token ids. Counts are tokens. */
void query_tokens(void *context, const struct request *request, struct answer *ret_answer);

/* POST /query_by_hash: local hashes. Counts are tokens. */
void query_hashes(void *context, const struct request *request, struct answer *ret_answer);

/* POST /query_tiered_by_hash: local hashes. Counts are blocks, each tier's from where the one before ends. */
void query_tiers(void *context, const struct request *request, struct answer *ret_answer);

#endif
