/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/narrate.h"

#include "shm/clock.h"
#include "tools/program/figures.h"
#include "tools/program/table.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define SHOW_NS   UINT64_C(50000000)
#define BAR_CELLS 24
#define QUARTERS  4

static FILE *out;
static uint64_t started_ns;
static int is_terminal;

static struct {
	const char *what; /* NULL: no pass under way */
	uint64_t total;
	uint64_t shown_ns;
	uint64_t quarter;
	char line[160];   /* on the terminal now */
} pass;

void narrate_open(FILE *file)
{
	out = file;
	started_ns = rdx_clock_ns();
	is_terminal = isatty(fileno(file));
}

/* Words, those that do not fit on the line's rest on the next one, below the first. */
static void put_words(const char *text, uint32_t indent)
{
	uint32_t width = is_terminal ? table_width() : UINT32_MAX, column = indent;

	while (*text) {
		size_t length = strcspn(text, " ");

		if (column > indent && column + 1 + length > width) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (column > indent) {
			fputc(' ', out);
			column++;
		}
		fwrite(text, 1, length, out);
		column += (uint32_t)length;
		text += length;
		text += strspn(text, " ");
	}
}

void narrate(const char *format, ...)
{
	va_list arguments;
	char text[512];
	int indent;

	if (is_terminal)
		fputs("\r\033[K", out);
	indent = fprintf(out, "%6.1f s  ", (double)(rdx_clock_ns() - started_ns) / 1e9);
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	put_words(text, indent > 0 ? (uint32_t)indent : 0);
	fputc('\n', out);
	if (is_terminal && pass.what)
		fputs(pass.line, out);
	fflush(out);
}

void narrate_begin(const char *what, uint64_t total)
{
	memset(&pass, 0, sizeof(pass));
	pass.what = what;
	pass.total = total;
}

static void show(uint64_t done, double rate)
{
	unsigned int cells = (unsigned int)(done * BAR_CELLS / (pass.total ? pass.total : 1));
	char a[FIGURES_BYTES], b[FIGURES_BYTES];

	snprintf(pass.line, sizeof(pass.line), "%12s [%.*s%*s] %s / %s requests, hit rate %.1f %%",
		 pass.what, (int)cells, "########################", (int)(BAR_CELLS - cells), "",
		 figures_grouped(done, a), figures_grouped(pass.total, b), rate);
	fprintf(out, "\r\033[K%s", pass.line);
	fflush(out);
}

void narrate_progress(uint64_t done, uint64_t cached_blocks, uint64_t blocks)
{
	double rate = blocks ? 100.0 * (double)cached_blocks / (double)blocks : 0;
	uint64_t now = rdx_clock_ns(), quarter = done * QUARTERS / (pass.total ? pass.total : 1);
	char a[FIGURES_BYTES], b[FIGURES_BYTES];

	if (is_terminal && now - pass.shown_ns >= SHOW_NS) {
		pass.shown_ns = now;
		show(done, rate);
	}
	if (!is_terminal && quarter > pass.quarter) {
		pass.quarter = quarter;
		narrate("%s: %s of %s requests, hit rate %.1f %%", pass.what,
			figures_grouped(done, a), figures_grouped(pass.total, b), rate);
	}
}

void narrate_end(void)
{
	if (is_terminal && pass.what)
		fputs("\r\033[K", out);
	pass.what = NULL;
	fflush(out);
}
