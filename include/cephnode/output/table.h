/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Tables for people, made from the same JSON that -f json prints: an array of columns says the header, where in a row the value
 * stands, of what JSON type it is, and when the column is shown. */
#include "cephnode/output/stream.h"

enum cn_column_type {
	CN_COLUMN_TEXT,    /* string */
	CN_COLUMN_LIST,    /* array of strings or integers: joined by commas */
	CN_COLUMN_INT,     /* integer */
	CN_COLUMN_BYTES,   /* integer: "1.5 GiB" */
	CN_COLUMN_SECONDS, /* integer: "2 h 05 min" */
	CN_COLUMN_WEIGHT,  /* real: up to five decimals */
	CN_COLUMN_BOOL,    /* true, false: "yes", "no" */
};

#define CN_COLUMN_VERBOSE (1u << 0) /* only with -v */
#define CN_COLUMN_CUT (1u << 1)     /* may be cut where the terminal is narrow */
#define CN_COLUMN_RIGHT (1u << 2)   /* numbers stand at the right by themselves */

struct cn_column {
	const char *head;
	const char *key; /* "owner.host" reaches into an object; an absent or null value shows as "-" */
	enum cn_column_type type;
	unsigned flags;
	unsigned room;                           /* left out on a terminal with fewer columns than this */
	char *(*cell)(const json_t *row);        /* instead of key and type; to be freed; NULL shows as "-" */
	const char *(*color)(const json_t *row); /* an escape sequence or NULL; used where colour is wanted */
};

struct cn_table_style {
	bool verbose, color;
	unsigned width; /* 0: no terminal, nothing is cut */
};

/* How tables on stdout look: width of its terminal, colour as wanted. */
struct cn_table_style cn_table_style_stdout(enum cn_color color, bool verbose);
/* The text of the table, with its header line unless the first header is empty; rows is an array of objects. Foreign text is made
 * harmless. To be freed. */
char *cn_table_render(const struct cn_column *columns, size_t n, const json_t *rows, const struct cn_table_style *style);

/* A bar of this many columns; a fraction below 0 (unknown) shows an empty one. With color it holds escape sequences, which a
 * table cell must not. To be freed. */
char *cn_bar(double fraction, size_t columns, bool color);
/* Whole percents done, rounded down: 100 means that nothing is left. */
int cn_percent(int64_t left, int64_t total);

#define CN_RED "\033[31m"
#define CN_GREEN "\033[32m"
#define CN_YELLOW "\033[33m"
#define CN_BOLD "\033[1m"
#define CN_DIM "\033[2m"
#define CN_RESET "\033[0m"
