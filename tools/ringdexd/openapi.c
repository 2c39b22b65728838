/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/openapi.h"

/* Made by tools/embed.cmake of the file. */
extern const unsigned char openapi_text[];
extern const size_t openapi_bytes;

void openapi_answer(void *context, const struct request *request, struct answer *ret_answer)
{
	(void)context, (void)request;
	answer_bytes(ret_answer, (const char *)openapi_text, openapi_bytes);
}
