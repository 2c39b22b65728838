/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /v1/openapi.json: what can be asked here, in the form of OpenAPI: package/openapi/ringdexd.json as it was
 * when this was built.
 */
#ifndef RINGDEXD_OPENAPI_H
#define RINGDEXD_OPENAPI_H

#include "tools/ringdexd/server.h"

void openapi_answer(void *context, const struct request *request, struct answer *ret_answer);

#endif
