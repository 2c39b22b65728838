/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be asked over HTTP.
 */
#ifndef RINGDEXD_ROUTES_H
#define RINGDEXD_ROUTES_H

#include "tools/ringdexd/server.h"

/* All of them, up to one without a method; their context is a struct desk. */
extern const struct route routes_all[];

#endif
