/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * stdout carries the answer, stderr the chatter. Nothing here is buffered: what a call wrote is out when it returns, a line goes
 * out by one write(2), and the first failed write to stdout is remembered, so that the command can fail for it.
 */
#include "cephnode/base/json.h"

enum cn_color { CN_COLOR_AUTO, CN_COLOR_ALWAYS, CN_COLOR_NEVER };

/* Makes sure that descriptors 0 to 2 are open, so that no socket of ours takes the place of a closed stdout. A closed one is
 * replaced by /dev/null in a mode in which its use fails. Call first in main(). */
void cn_stdio_init(void);
/* Takes LC_CTYPE from the environment (UTF-8 where it names none): widths and line-drawing follow it. Call before any thread. */
void cn_locale_init(void);
bool cn_locale_utf8(void);

/* All thread-safe. Return 0 or -errno; after the first failure nothing more is written. Once a signal asked us to end, a reader
 * that does not read is waited for only briefly (-ETIMEDOUT). */
int cn_out_write(const char *text, size_t len);
int cn_out_puts(const char *text);
int cn_out_printf(const char *fmt, ...) _printf_(1, 2);
int cn_out_json(const json_t *j); /* compact, and a newline, in one write */
/* The first write error as a positive errno, 0 without one. */
int cn_out_error(void);
/* Closes stdout and returns cn_out_error(), or the error of the close: a full disk may show only there. */
int cn_out_close(void);

/* stderr: errors are ignored, there is no one left to tell. */
void cn_err_write(const char *text, size_t len);
void cn_err_printf(const char *fmt, ...) _printf_(1, 2);

/* Should fd get colour? NO_COLOR (not empty) and TERM=dumb are honoured by `auto`. */
bool cn_color_wanted(enum cn_color color, int fd);
/* Columns and lines of the terminal behind fd; false when it is none. */
bool cn_terminal_size(int fd, unsigned *ret_columns, unsigned *ret_lines);
/* A terminal that understands moving the cursor. */
bool cn_terminal_live(int fd);
/* Columns that the text takes on a terminal; escape sequences take none. */
size_t cn_text_columns(const char *s);
/* Cuts the text in place to at most so many columns, never in the middle of a character. */
void cn_text_cut(char *s, size_t columns);
/* Rows that lines of text take on a terminal of this width, where long ones wrap; and cuts off the lines beyond so many rows. */
size_t cn_text_rows(const char *s, unsigned columns);
void cn_text_cut_rows(char *s, unsigned columns, size_t rows);
