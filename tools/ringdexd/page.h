/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page for people: the files of page/, as they were when this was built. They need no token, since they say
 * nothing of anybody: what they show they ask for.
 */
#ifndef RINGDEXD_PAGE_H
#define RINGDEXD_PAGE_H

#include "tools/ringdexd/server.h"

/* The file that the path names, or 304 where it is still the one that the client has. */
void page_answer(void *context, const struct request *request, struct answer *ret_answer);

#endif
