/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Engines that are registered over HTTP, as with Dynamo's stand-alone indexer: each of their streams gets a bridge.
 */
#ifndef RINGDEXD_REGISTER_H
#define RINGDEXD_REGISTER_H

#include "tools/ringdexd/server.h"

/* POST /register, POST /unregister. Context: struct desk. */
void register_engine(void *context, const struct request *request, struct answer *ret_answer);
void unregister_engine(void *context, const struct request *request, struct answer *ret_answer);

#endif
