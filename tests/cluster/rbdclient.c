/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of one RBD image, for the lock tests: rbdclient CONF ID POOL NAMESPACE IMAGE
 * Says "ready client.N ADDRESS", then answers each line of stdin with one line, "ok ..." or "error -N":
 *   write C                    fills the image with the character, block by block
 *   read                       which characters it holds, and how many blocks of each
 *   loop C                     writes C round and round in a thread until an error
 *   looped                     how many blocks that was, and the error that ended it
 *   lock COOKIE                takes an advisory lock
 *   shared COOKIE              takes one beside others
 *   also NAME                  opens another image beside it, and takes librbd's lock of it
 *   close                      closes the image and says goodbye
 *   create FEATURES POOL NAME  makes an image, its data in that pool ("-": in the same); IMAGE may be empty for this
 * RBDCLIENT_SOURCE=IP: its connections come from there, as those of another host would.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK 65536

static rados_ioctx_t io;
static rbd_image_t image;
static uint64_t blocks;
static atomic_long looped;
static atomic_int loop_error;
static char loop_char;

/* Ceph's libraries find this one before libc's. */
int connect(int fd, const struct sockaddr *to, socklen_t len)
{
	const char *source = getenv("RBDCLIENT_SOURCE");
	struct sockaddr_in from = {.sin_family = AF_INET};

	/* Ceph asks again while a connection is under way: a socket is bound once, and the second time fails */
	if (source && to->sa_family == AF_INET && inet_pton(AF_INET, source, &from.sin_addr) == 1)
		(void)bind(fd, (struct sockaddr *)&from, sizeof(from));
	return (int)syscall(SYS_connect, fd, to, len);
}

static int put(uint64_t block, char c)
{
	char buf[BLOCK];
	ssize_t r;

	memset(buf, c, sizeof(buf));
	r = rbd_write(image, block * BLOCK, sizeof(buf), buf);
	return r < 0 ? (int)r : 0;
}

static void *loop(void *arg)
{
	int r = 0;

	for (uint64_t b = 0; r == 0; b = (b + 7) % blocks) {
		r = put(b, loop_char);
		if (r == 0)
			atomic_fetch_add(&looped, 1);
	}
	atomic_store(&loop_error, r);
	return arg;
}

static int write_all(char c)
{
	for (uint64_t b = 0; b < blocks; b++) {
		int r = put(b, c);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Every byte is looked at: a block with two characters shows as "mixed". */
static int read_all(char *text, size_t size)
{
	unsigned long counts[256] = {0}, mixed = 0;
	char buf[BLOCK];
	int at = 0;

	for (uint64_t b = 0; b < blocks; b++) {
		ssize_t r = rbd_read(image, b * BLOCK, sizeof(buf), buf);

		if (r < 0)
			return (int)r;
		if (memcmp(buf, buf + 1, sizeof(buf) - 1) != 0)
			mixed++;
		else
			counts[(unsigned char)buf[0]]++;
	}
	text[0] = '\0';
	for (int c = 0; c < 256; c++)
		if (counts[c])
			at += snprintf(text + at, size - (size_t)at, " %c=%lu", c ? c : '0', counts[c]);
	if (mixed)
		snprintf(text + at, size - (size_t)at, " mixed=%lu", mixed);
	return 0;
}

static int also(const char *name)
{
	rbd_image_t other; /* closed by nobody */
	int r = rbd_open(io, name, &other, NULL);

	return r < 0 ? r : rbd_lock_acquire(other, RBD_LOCK_MODE_EXCLUSIVE);
}

static int create(const char *args)
{
	rbd_image_options_t options;
	unsigned long long features;
	char data_pool[64];
	int at = 0, r;

	if (!args || sscanf(args, "%llu %63s %n", &features, data_pool, &at) != 2)
		return -EINVAL;
	rbd_image_options_create(&options);
	r = rbd_image_options_set_uint64(options, RBD_IMAGE_OPTION_FEATURES, features);
	if (r == 0)
		r = rbd_image_options_set_uint64(options, RBD_IMAGE_OPTION_ORDER, 16);
	if (r == 0 && strcmp(data_pool, "-") != 0)
		r = rbd_image_options_set_string(options, RBD_IMAGE_OPTION_DATA_POOL, data_pool);
	if (r == 0)
		r = rbd_create4(io, args + at, 32 * BLOCK, options);
	rbd_image_options_destroy(options);
	return r;
}

static void answer(char *line)
{
	char *arg = strchr(line, ' ');
	char text[4096] = "";
	pthread_t thread;
	int r = -EINVAL;

	if (arg)
		*arg++ = '\0';
	if (strcmp(line, "write") == 0)
		r = write_all(*arg);
	else if (strcmp(line, "read") == 0)
		r = read_all(text, sizeof(text));
	else if (strcmp(line, "lock") == 0)
		r = rbd_lock_exclusive(image, arg ? arg : "");
	else if (strcmp(line, "shared") == 0)
		r = rbd_lock_shared(image, arg, "together");
	else if (strcmp(line, "create") == 0)
		r = create(arg);
	else if (strcmp(line, "also") == 0)
		r = also(arg);
	else if (strcmp(line, "loop") == 0) {
		loop_char = *arg;
		r = -pthread_create(&thread, NULL, loop, NULL);
	} else if (strcmp(line, "looped") == 0) {
		snprintf(text, sizeof(text), " %ld %d", atomic_load(&looped), atomic_load(&loop_error));
		r = 0;
	}
	if (r < 0)
		printf("error %d\n", r);
	else
		printf("ok%s\n", text);
}

int main(int argc, char **argv)
{
	static char line[16384];
	rbd_image_info_t info = {0};
	rados_t cluster;
	char *address = NULL;
	int r;

	if (argc != 6)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	r = rados_create(&cluster, argv[2]);
	if (r == 0)
		r = rados_conf_read_file(cluster, argv[1]);
	if (r == 0) {
		rados_conf_set(cluster, "rbd_cache", "false");
		rados_conf_set(cluster, "objecter_tick_interval", "0.5"); /* how often watches are renewed */
		r = rados_connect(cluster);
	}
	if (r == 0)
		r = rados_ioctx_create(cluster, argv[3], &io);
	if (r == 0) {
		rados_ioctx_set_namespace(io, argv[4]);
		if (*argv[5])
			r = rbd_open(io, argv[5], &image, NULL);
	}
	if (r == 0 && image)
		r = rbd_stat(image, &info, sizeof(info));
	if (r < 0) {
		printf("error %d\n", r);
		return 1;
	}
	blocks = info.size / BLOCK;
	rados_getaddrs(cluster, &address);
	printf("ready client.%llu %s\n", (unsigned long long)rados_get_instance_id(cluster), address);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, "close") == 0) {
			if (image)
				rbd_close(image);
			rados_ioctx_destroy(io);
			rados_shutdown(cluster);
			printf("ok\n");
			return 0;
		}
		answer(line);
	}
	_exit(0); /* as if it had died: nothing is given back */
}
