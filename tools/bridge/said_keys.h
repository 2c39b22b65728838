/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokens of an event and what names its blocks besides: extra_keys of vLLM, mm_keys of
 * TensorRT-LLM. tools/program/extra_keys.h has the same forms in JSON.
 */
#ifndef BRIDGE_SAID_KEYS_H
#define BRIDGE_SAID_KEYS_H

#include "tools/bridge/said.h"

/* Read the two lists, of which each may be NULL; then the tokens, which may be too. */
enum fault said_keys_read(struct said *said, const msgpack_object *extra, const msgpack_object *mm);
enum fault said_keys_read_tokens(struct said *said, const msgpack_object *tokens);

#endif
