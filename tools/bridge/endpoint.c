/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/bridge/endpoint.h"

#include "tools/program/options_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PORT_MAX 65535

static int is_ipc(const char *endpoint)
{
	return strncmp(endpoint, "ipc://", 6) == 0;
}

/* Its port; 0: there is none. */
static uint32_t port_of(const char *endpoint, const char **ret_colon)
{
	uint64_t port;

	*ret_colon = strrchr(endpoint, ':');
	return options_value_number(*ret_colon + 1, 1, PORT_MAX, &port) ? (uint32_t)port : 0;
}

const char *endpoint_fault(const char *endpoint, uint32_t first_rank, uint32_t ranks, int is_own)
{
	const char *colon;
	uint32_t port;

	if (strlen(endpoint) + 8 > ENDPOINT_BYTES)
		return "too long";
	if (is_ipc(endpoint))
		return ranks == 1
			       ? NULL
			       : "of one rank: give each rank a line, with --first-rank, or tcp://";
	if (strncmp(endpoint, "tcp://", 6) != 0)
		return "neither tcp:// nor ipc://";
	if (!is_own && strchr(endpoint, '*'))
		return "where an engine listens: name its host";
	port = port_of(endpoint, &colon);
	if (!port)
		return "without a port: write tcp://HOST:PORT";
	return (uint64_t)port + first_rank + ranks - 1 > PORT_MAX
		       ? "of ranks whose ports would be above 65535"
		       : NULL;
}

void endpoint_of_rank(const char *endpoint, uint32_t dp_rank, char *ret_endpoint)
{
	const char *colon;
	uint32_t port;

	if (is_ipc(endpoint)) {
		snprintf(ret_endpoint, ENDPOINT_BYTES, "%s", endpoint);
		return;
	}
	port = port_of(endpoint, &colon);
	snprintf(ret_endpoint, ENDPOINT_BYTES, "%.*s:%" PRIu32, (int)(colon - endpoint), endpoint,
		 port + dp_rank);
}
