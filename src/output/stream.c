/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/output/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "output/lock.h"

static pthread_mutex_t out_mutex = PTHREAD_MUTEX_INITIALIZER;
static int out_errno;

void cn_stdio_init(void)
{
	static const int modes[] = {O_WRONLY, O_RDONLY, O_RDWR};

	for (int fd = 0; fd < 3; fd++) {
		int got;

		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		got = open("/dev/null", modes[fd]); /* the lowest free number: fd */
		if (got >= 0 && got != fd) {
			(void)dup2(got, fd);
			close(got);
		}
	}
}

/* A reader may stand still for as long as it likes, until a signal asks us to end. */
static int wait_writable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	bool last_words = false;
	int n;

	for (;;) {
		n = poll(&p, 1, last_words ? CN_LAST_WORDS_MS : 100);
		if (n > 0)
			return 0; /* or an error: the write will say which */
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 && last_words)
			return -ETIMEDOUT;
		last_words = cn_interrupted();
	}
}

/* A pipe that polls writable takes PIPE_BUF bytes without blocking, which is more than a line has. */
static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		int r = wait_writable(fd);
		ssize_t n;

		if (r < 0)
			return r;
		n = write(fd, text, len);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int cn_out_write(const char *text, size_t len)
{
	int r;

	if (!cn_output_lock(&out_mutex))
		return -ETIMEDOUT;
	if (out_errno == 0 && len > 0)
		out_errno = -write_all(STDOUT_FILENO, text, len);
	r = -out_errno;
	pthread_mutex_unlock(&out_mutex);
	return r;
}

int cn_out_puts(const char *text)
{
	return cn_out_write(text, strlen(text));
}

int cn_out_printf(const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = cn_vasprintf(fmt, ap);
	va_end(ap);
	return cn_out_puts(text);
}

int cn_out_json(const json_t *j)
{
	_cleanup_free_ char *text = cn_json_dump(j);
	size_t len = strlen(text);

	text = cn_realloc(text, len + 2, 1);
	text[len] = '\n';
	text[len + 1] = '\0';
	return cn_out_write(text, len + 1);
}

int cn_out_error(void)
{
	int e;

	if (!cn_output_lock(&out_mutex))
		return ETIMEDOUT;
	e = out_errno;
	pthread_mutex_unlock(&out_mutex);
	return e;
}

int cn_out_close(void)
{
	int e = cn_out_error();

	if (close(STDOUT_FILENO) < 0 && e == 0)
		e = errno;
	return e;
}

void cn_err_write(const char *text, size_t len)
{
	(void)write_all(STDERR_FILENO, text, len);
}

void cn_err_printf(const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = cn_vasprintf(fmt, ap);
	va_end(ap);
	cn_err_write(text, strlen(text));
}
