/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/desk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_GROUP "default"

const char *desk_tenant(const char *routing_group)
{
	return strcmp(routing_group, DEFAULT_GROUP) == 0 ? "" : routing_group;
}

const char *desk_routing_group(const char *tenant)
{
	return tenant[0] ? tenant : DEFAULT_GROUP;
}

int desk_open(struct desk *ret_desk, struct space *space, struct keeper *keeper)
{
	*ret_desk = (struct desk){.space = space, .keeper = keeper};
	ret_desk->shelf = shelf_new(space);
	ret_desk->reader = body_reader_new();
	ret_desk->asks = ask_reader_new();
	ret_desk->expected = expected_new();
	if (ret_desk->shelf && ret_desk->reader && ret_desk->asks && ret_desk->expected)
		return 0;
	desk_close(ret_desk);
	return -ENOMEM;
}

void desk_close(struct desk *desk)
{
	shelf_free(desk->shelf);
	body_reader_free(desk->reader);
	ask_reader_free(desk->asks);
	prompt_keys_free(&desk->keys);
	free(desk->prefixes);
	expected_free(desk->expected);
	*desk = (struct desk){0};
}
