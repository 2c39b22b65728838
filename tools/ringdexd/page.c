/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/page.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TAG_BYTES     20 /* 16 digits, quotes and the NUL */
#define HEADERS_BYTES 512

/* Nothing but these files is loaded, and no other page shows this one. A changed file is seen at once. */
#define HEADERS                                                                                    \
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "       \
	"img-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; "                \
	"frame-ancestors 'none'\r\n"                                                               \
	"X-Content-Type-Options: nosniff\r\n"                                                      \
	"Referrer-Policy: no-referrer\r\n"                                                         \
	"Cache-Control: no-cache\r\n"

/* Made by tools/embed.cmake of the files. */
extern const char page_html_text[], page_css_text[], page_js_text[], page_icon_text[];
extern const size_t page_html_bytes, page_css_bytes, page_js_bytes, page_icon_bytes;

static struct file {
	const char *path, *type, *text;
	const size_t *bytes;
	char tag[TAG_BYTES]; /* of the bytes; this and the next are made when they are first needed */
	char headers[HEADERS_BYTES];
} files[] = {
	{.path = "/",
	 .type = "text/html; charset=utf-8",
	 .text = page_html_text,
	 .bytes = &page_html_bytes},
	{.path = "/page.css",
	 .type = "text/css; charset=utf-8",
	 .text = page_css_text,
	 .bytes = &page_css_bytes},
	{.path = "/page.js",
	 .type = "text/javascript; charset=utf-8",
	 .text = page_js_text,
	 .bytes = &page_js_bytes},
	{.path = "/icon.svg",
	 .type = "image/svg+xml",
	 .text = page_icon_text,
	 .bytes = &page_icon_bytes},
};

static struct file *find(const char *path)
{
	struct file *file = files;

	while (strcmp(file->path, path) !=
	       0) /* a route leads here for each of them, and for no other */
		file++;
	return file;
}

static void make_headers(struct file *file)
{
	uint64_t hash = XXH3_64bits(file->text, *file->bytes);

	snprintf(file->tag, sizeof(file->tag), "\"%016" PRIx64 "\"", hash);
	snprintf(file->headers, sizeof(file->headers), HEADERS "ETag: %s\r\n", file->tag);
}

void page_answer(void *context, const struct request *request, struct answer *ret_answer)
{
	struct file *file = find(request->path);

	(void)context;
	if (!file->tag[0])
		make_headers(file);
	ret_answer->type = file->type;
	ret_answer->headers = file->headers;
	if (strstr(request->none_match, file->tag))
		ret_answer->status = 304;
	else
		answer_bytes(ret_answer, file->text, *file->bytes);
}
