/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/query: who holds how much of each of several prompts, and what each answer is worth. Context:
 * struct desk.
 */
#ifndef RINGDEXD_QUERY_V1_H
#define RINGDEXD_QUERY_V1_H

#include "tools/ringdexd/server.h"

void query_v1(void *context, const struct request *request, struct answer *ret_answer);

#endif
