/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/narrate.h"

#include "shm/clock.h"
#include "tools/program/figures.h"
#include "tools/program/messages.h"
#include "tools/program/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHOW_NS    UINT64_C(50000000)
#define BAR_CELLS  16
#define INDENT     10
#define QUARTERS   4
#define CLEAR_LINE "\r\033[K"

static FILE *out;
static uint64_t started_ns;
static int is_terminal;
static char progress[160]; /* on the terminal now */
static uint64_t shown_ns;
static uint64_t quarter;

void narrate_open(FILE *file)
{
	out = file;
	started_ns = rdx_clock_ns();
	is_terminal = isatty(fileno(file));
}

/* Lines of whole words, as wide as a terminal is, below each other behind the time. */
static void put_words(const char *text)
{
	size_t room = (is_terminal ? table_width() : UINT32_MAX) - INDENT;

	while (strlen(text) > room) {
		const char *end = memrchr(text, ' ', room + 1);

		end = end ? end : strchrnul(text, ' ');
		fprintf(out, "%.*s\n%*s", (int)(end - text), text, INDENT, "");
		text = end + (*end != 0);
	}
	fprintf(out, "%s\n", text);
}

void narrate(const char *format, ...)
{
	va_list arguments;
	char text[512];

	if (is_terminal)
		fputs(CLEAR_LINE, out);
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(out, "%6.1f s  ", (double)(rdx_clock_ns() - started_ns) / 1e9);
	put_words(text);
	fputs(progress, out);
	fflush(out);
}

static void end_progress(void)
{
	if (progress[0])
		fputs(CLEAR_LINE, out);
	progress[0] = 0;
	quarter = 0;
	fflush(out);
}

void narrate_progress(const char *pass, uint64_t done, uint64_t total, double hit_rate)
{
	char a[FIGURES_BYTES], b[FIGURES_BYTES], text[120];
	int cells = (int)(done * BAR_CELLS / total);
	size_t room = table_width(); /* with the NUL: a line that is full would go on below */
	uint64_t now = rdx_clock_ns();

	snprintf(text, sizeof(text), "%s: %s of %s requests, hit rate %.1f %%", pass,
		 figures_grouped(done, a), figures_grouped(total, b), 100 * hit_rate);
	if (is_terminal && now - shown_ns >= SHOW_NS) {
		shown_ns = now;
		snprintf(progress, room < sizeof(progress) ? room : sizeof(progress),
			 "[%.*s%*s] %s", cells, "################", BAR_CELLS - cells, "", text);
		fprintf(out, CLEAR_LINE "%s", progress);
		fflush(out);
	}
	if (!is_terminal && done * QUARTERS / total > quarter)
		narrate("%s", text);
	quarter = done * QUARTERS / total;
	if (done == total)
		end_progress();
}

void narrate_failure(const char *format, ...)
{
	va_list arguments;
	char text[1024];

	end_progress();
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	messages_say("%s", text);
	exit(EXIT_FAILED);
}
