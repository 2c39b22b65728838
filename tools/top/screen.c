/* SPDX-License-Identifier: Apache-2.0 */
#define NCURSES_WIDECHAR 1
#include "tools/top/screen.h"

#include "tools/program/figures.h"
#include "tools/program/messages.h"
#include "tools/program/printable.h"
#include "tools/top/terminal.h"

#include <errno.h>
#include <inttypes.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#define FIRST_ROW   2 /* below sums and headings */
#define ESCAPE      27
#define ESCAPE_MS   25 /* that other bytes of a key may take */
#define HELP        "q quit  s sort  r reverse  f filter  p pause  up/down scroll"
#define LINE_BYTES  4096 /* of a path that is long, each byte of it as \\xNN */
#define COLOURS_MAX (TABLE_FAINT + 1)

static void close_screen(void)
{
	endwin();
}

static void open_colours(void)
{
	static const short colours[COLOURS_MAX] = {-1, COLOR_GREEN, COLOR_YELLOW, COLOR_RED, -1};

	if (getenv("NO_COLOR") || !has_colors() || start_color() == ERR)
		return;
	use_default_colors();
	for (short tone = TABLE_GOOD; tone < COLOURS_MAX; tone++)
		init_pair(tone, colours[tone], -1);
}

static attr_t attribute(enum table_tone tone)
{
	if (tone == TABLE_FAINT)
		return A_DIM;
	return getenv("NO_COLOR") || !has_colors() ? A_NORMAL : COLOR_PAIR(tone);
}

int screen_open(void)
{
	const char *kind = getenv("TERM");

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		messages_say("this is not a terminal: give --batch");
		return -ENOTTY;
	}
	if (!terminal_can_move(kind)) {
		messages_say("TERM=%s cannot move its cursor: give --batch", kind ? kind : "");
		return -ENOTTY;
	}
	if (!newterm(kind, stdout, stdin)) {
		messages_say("cannot take the terminal: give --batch");
		return -ENOTTY;
	}
	atexit(close_screen);
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	curs_set(0);
	open_colours();
	return 0;
}

/* A text of others, all of it in letters. */
static void make_printable(const char *text, char ret_text[LINE_BYTES])
{
	FILE *to = fmemopen(ret_text, LINE_BYTES, "w");

	if (!to)
		messages_no_memory();
	printable_put(to, text);
	fclose(to);
	ret_text[LINE_BYTES - 1] = 0;
}

/* As much of a text as `width` columns take, at the right of them or the left. */
static void put(int y, int x, int width, int right, const char *text)
{
	char printable[LINE_BYTES];
	wchar_t wide[LINE_BYTES];
	size_t count, used = 0;
	int columns = 0;

	make_printable(text, printable);
	count = mbstowcs(wide, printable, LINE_BYTES);
	if (count == (size_t)-1) /* a locale that does not know the letters */
		for (count = 0; printable[count]; count++)
			wide[count] =
				(unsigned char)printable[count] < 128 ? printable[count] : L'?';
	for (; used < count; used++) {
		int next = wcwidth(wide[used]);

		if (next < 0 || columns + next > width)
			break;
		columns += next;
	}
	if (x < COLS)
		mvaddnwstr(y, right ? x + width - columns : x, wide, (int)used);
}

/* Where a column ends; its width where it is the last that there is room for. */
static int column_width(int x, enum roll_column column)
{
	int width = roll_headings[column].width, left = COLS - x;

	return width == 0 || width > left ? left : width;
}

static void put_headings(const struct screen *screen)
{
	char title[32];
	int x = 0;

	attron(A_BOLD);
	for (int column = 0; column < ROLL_COLUMNS && x < COLS; column++) {
		const struct roll_heading *heading = &roll_headings[column];
		int width = column_width(x, (enum roll_column)column);

		snprintf(title, sizeof(title), "%s%s", heading->title,
			 (int)screen->by != column ? ""
			 : screen->reversed        ? "^"
						   : "*");
		put(1, x, width, heading->is_number, title);
		x += width + 1;
	}
	attroff(A_BOLD);
}

static void put_row(int y, const struct roll_row *row)
{
	char text[ROLL_CELL_BYTES];
	int x = 0;

	for (int column = 0; column < ROLL_COLUMNS && x < COLS; column++) {
		int width = column_width(x, (enum roll_column)column);
		attr_t tone = column == ROLL_STATE ? attribute(row->tone) : A_NORMAL;

		attron(tone);
		put(y, x, width, roll_headings[column].is_number,
		    roll_cell(row, (enum roll_column)column, text));
		attroff(tone);
		x += width + 1;
	}
}

static void put_sums(const struct roll *roll, const char *dir, int paused)
{
	char line[LINE_BYTES], rate[FIGURES_BYTES];

	snprintf(line, sizeof(line), "%zu live of %zu rank%s, %s events/s, %s%s  %s", roll->live,
		 roll->count, figures_plural(roll->count),
		 figures_grouped((uint64_t)(roll->rate + 0.5), rate),
		 roll->has_indexer ? "an indexer runs" : "no indexer runs",
		 paused ? ", PAUSED" : "", dir);
	put(0, 0, COLS, 0, line);
}

static void put_keys(const struct screen *screen)
{
	char line[SCREEN_FILTER_BYTES + 128];

	if (screen->is_typing)
		snprintf(line, sizeof(line), "filter: %s_  (enter: keep, escape: all)",
			 screen->filter);
	else
		snprintf(line, sizeof(line), HELP "%s%s", screen->filter[0] ? "  filter: " : "",
			 screen->filter);
	attron(A_BOLD);
	put(LINES - 1, 0, COLS, 0, line);
	attroff(A_BOLD);
}

void screen_draw(struct screen *screen, struct roll *roll, const char *dir)
{
	size_t matching = 0;
	int y = FIRST_ROW;

	roll_sort(roll, screen->by, screen->reversed);
	for (size_t i = 0; i < roll->count; i++)
		matching += (size_t)roll_matches(&roll->rows[i], screen->filter);
	if (screen->first >= matching)
		screen->first = matching ? matching - 1 : 0;
	erase();
	put_sums(roll, dir, screen->paused);
	put_headings(screen);
	matching = 0;
	for (size_t i = 0; i < roll->count && y < LINES - 1; i++)
		if (roll_matches(&roll->rows[i], screen->filter) && matching++ >= screen->first)
			put_row(y++, &roll->rows[i]);
	put_keys(screen);
	refresh();
}

static enum screen_wish type(struct screen *screen, int key)
{
	size_t length = strlen(screen->filter);

	if (key == '\n' || key == '\r' || key == KEY_ENTER) {
		screen->is_typing = 0;
	} else if (key == ESCAPE) {
		screen->is_typing = 0;
		screen->filter[0] = 0;
	} else if ((key == KEY_BACKSPACE || key == '\b' || key == 127) && length) {
		screen->filter[length - 1] = 0;
	} else if (key >= ' ' && key < 127 && length + 1 < sizeof(screen->filter)) {
		screen->filter[length] = (char)key;
		screen->filter[length + 1] = 0;
	}
	return SCREEN_DRAW;
}

static enum screen_wish press(struct screen *screen, int key)
{
	switch (key) {
	case 'q':
		return SCREEN_END;
	case 's':
		screen->by = (enum roll_column)((screen->by + 1) % ROLL_COLUMNS);
		return SCREEN_DRAW;
	case 'r':
		screen->reversed = !screen->reversed;
		return SCREEN_DRAW;
	case 'f':
	case '/':
		screen->is_typing = 1;
		return SCREEN_DRAW;
	case ESCAPE:
		screen->filter[0] = 0;
		return SCREEN_DRAW;
	case 'p':
		screen->paused = !screen->paused;
		return screen->paused ? SCREEN_DRAW : SCREEN_LOOK;
	case KEY_DOWN:
	case 'j':
		screen->first++;
		return SCREEN_DRAW;
	case KEY_UP:
	case 'k':
		screen->first -= screen->first > 0;
		return SCREEN_DRAW;
	case ' ':
		return SCREEN_LOOK;
	case KEY_RESIZE:
		return SCREEN_DRAW;
	}
	return SCREEN_NOTHING;
}

enum screen_wish screen_keys(struct screen *screen)
{
	enum screen_wish wish = SCREEN_NOTHING;
	int key;

	while ((key = getch()) != ERR) {
		enum screen_wish next = screen->is_typing && key != KEY_RESIZE ? type(screen, key)
									       : press(screen, key);

		if (next > wish)
			wish = next;
	}
	return wish;
}
