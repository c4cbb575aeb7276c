/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a terminal can show: size, colour, characters and how wide they are. */
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "cephnode/output/stream.h"

static bool is_set(const char *name)
{
	const char *v = getenv(name);

	return v && *v;
}

void cn_locale_init(void)
{
	/* A shell in a container or a unit often names no locale at all; names of pools would come out as \x.. there. */
	if (is_set("LC_ALL") || is_set("LC_CTYPE") || is_set("LANG"))
		(void)setlocale(LC_CTYPE, "");
	else
		(void)setlocale(LC_CTYPE, "C.UTF-8");
}

bool cn_locale_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static bool dumb(void)
{
	const char *term = getenv("TERM");

	return !term || !*term || strcmp(term, "dumb") == 0;
}

bool cn_color_wanted(enum cn_color color, int fd)
{
	switch (color) {
	case CN_COLOR_ALWAYS:
		return true;
	case CN_COLOR_NEVER:
		return false;
	case CN_COLOR_AUTO:
		break;
	}
	return isatty(fd) && !dumb() && !is_set("NO_COLOR");
}

bool cn_terminal_live(int fd)
{
	return isatty(fd) && !dumb();
}

bool cn_terminal_size(int fd, unsigned *ret_columns, unsigned *ret_lines)
{
	struct winsize w;

	if (!isatty(fd))
		return false;
	if (ioctl(fd, TIOCGWINSZ, &w) < 0)
		w = (struct winsize){0};
	*ret_columns = w.ws_col ? w.ws_col : 80;
	*ret_lines = w.ws_row ? w.ws_row : 24;
	return true;
}

/* One step through the text: the length of what stands at s, and the columns it takes. */
static size_t next_char(const char *s, size_t *ret_columns)
{
	mbstate_t state = {0};
	wchar_t c;
	size_t n;
	int w;

	*ret_columns = 0;
	if (s[0] == '\033' && s[1] == '[') {
		n = 2 + strspn(s + 2, "0123456789;");
		return s[n] ? n + 1 : n;
	}
	n = mbrtowc(&c, s, strnlen(s, MB_LEN_MAX), &state);
	if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
		*ret_columns = 1;
		return 1;
	}
	w = wcwidth(c);
	*ret_columns = w > 0 ? (size_t)w : 0;
	return n;
}

size_t cn_text_columns(const char *s)
{
	size_t sum = 0, columns;

	while (*s) {
		s += next_char(s, &columns);
		sum += columns;
	}
	return sum;
}

void cn_text_cut(char *s, size_t columns)
{
	size_t sum = 0, w;

	while (*s) {
		size_t n = next_char(s, &w);

		if (sum + w > columns) {
			*s = '\0';
			return;
		}
		sum += w;
		s += n;
	}
}

size_t cn_text_rows(const char *s, unsigned columns)
{
	size_t rows = 0;

	for (const char *end; *s; s = *end ? end + 1 : end) {
		_cleanup_free_ char *line = NULL;
		size_t used;

		end = strchrnul(s, '\n');
		line = cn_strndup(s, (size_t)(end - s));
		used = cn_text_columns(line);
		rows += used ? (used + columns - 1) / columns : 1;
	}
	return rows;
}

void cn_text_cut_rows(char *s, unsigned columns, size_t rows)
{
	char *end;

	for (; *s; s = end) {
		size_t used;
		char c;

		end = strchrnul(s, '\n');
		end += *end != '\0';
		c = *end;
		*end = '\0';
		used = cn_text_rows(s, columns);
		if (used > rows) {
			*s = '\0';
			return;
		}
		*end = c;
		rows -= used;
	}
}
