/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/peers.h"

#include "tools/ringdexd/desk.h"

#include <string.h>

/* Its place; `count` where it is not there. */
static uint32_t find(const struct peers *peers, const char *url)
{
	uint32_t i = 0;

	while (i < peers->count && strcmp(peers->urls[i], url) != 0)
		i++;
	return i;
}

/* http://HOST... or https://, of visible characters: what else it must be, who asks it finds out. */
static int is_url(const char *text)
{
	const char *host = strncmp(text, "http://", 7) == 0    ? text + 7
			   : strncmp(text, "https://", 8) == 0 ? text + 8
							       : "";

	if (!*host || *host == '/')
		return 0;
	for (; *host; host++)
		if ((unsigned char)*host <= ' ' || (unsigned char)*host >= 0x7f)
			return 0;
	return 1;
}

static int read_url(struct desk *desk, const struct request *request, const char **ret_url,
		    struct answer *answer)
{
	const struct body *body;

	if (!desk_read_body(desk, request, BODY_URL, BODY_URL, &body, answer))
		return 0;
	*ret_url = body->url;
	return 1;
}

void peers_register(void *context, const struct request *request, struct answer *ret_answer)
{
	struct desk *desk = context;
	struct peers *peers = &desk->peers;
	const char *url;

	if (!read_url(desk, request, &url, ret_answer))
		return;
	if (!is_url(url)) {
		answer_error(ret_answer, 400, "invalid peer URL `%s`: give http://HOST:PORT", url);
		return;
	}
	if (find(peers, url) == peers->count) {
		if (peers->count == PEERS_MAX) {
			answer_error(ret_answer, 503, "there are %d peers: no more can be",
				     PEERS_MAX);
			return;
		}
		memcpy(peers->urls[peers->count++], url, strlen(url) + 1);
	}
	answer_ok(ret_answer, 201);
}

void peers_deregister(void *context, const struct request *request, struct answer *ret_answer)
{
	struct desk *desk = context;
	struct peers *peers = &desk->peers;
	const char *url;
	uint32_t i;

	if (!read_url(desk, request, &url, ret_answer))
		return;
	i = find(peers, url);
	if (i == peers->count) {
		answer_error(ret_answer, 404, "peer not found");
		return;
	}
	memmove(peers->urls[i], peers->urls[i + 1],
		(peers->count - i - 1) * sizeof(peers->urls[0]));
	peers->count--;
	answer_ok(ret_answer, 200);
}

void peers_answer(void *context, const struct request *request, struct answer *ret_answer)
{
	const struct desk *desk = context;

	(void)request;
	answer_text(ret_answer, "[");
	for (uint32_t i = 0; i < desk->peers.count; i++) {
		answer_text(ret_answer, i ? "," : "");
		answer_json_text(ret_answer, desk->peers.urls[i]);
	}
	answer_text(ret_answer, "]");
}
