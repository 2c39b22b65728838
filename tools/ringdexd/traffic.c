/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/traffic.h"

#include <assert.h>

#define CLASS 100 /* statuses of a class */

void traffic_count(struct traffic *traffic, const struct route *route, int status, uint64_t took_ns)
{
	size_t i = route ? (size_t)(route - traffic->routes) : TRAFFIC_ROUTES_MAX;
	int class = status / CLASS;

	assert(i <= TRAFFIC_ROUTES_MAX && class >= 0 && class < TRAFFIC_CLASSES);
	histogram_add(&traffic->requests[i], took_ns);
	traffic->classes[class]++;
}
