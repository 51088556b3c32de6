/*
 * librados and librbd in one, over files: an image is the file FOLDER/POOL[.NAMESPACE].IMAGE[@SNAP]. Requests end on a thread, the newest first.
 * With HAVE_HEADERS, the compiler proves that all this is what Ceph's headers declare.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <stdint.h>

#ifdef HAVE_HEADERS
#include <rados/librados.h>
#include <rbd/librbd.h>
#else
typedef void *rados_t;
typedef void *rados_ioctx_t;
typedef void *rbd_image_t;
typedef void *rbd_completion_t;
typedef void (*rbd_callback_t)(rbd_completion_t, void *);
#endif

struct cluster { char folder[512]; char user[64]; int connected; };
struct context { struct cluster *cluster; char pool[128]; char space[128]; };

#ifdef IS_RADOS
/* Handles that are not given back. */
int fake_rados_live;

int rados_create(rados_t *cluster, const char *const id)
{
    struct cluster *made = calloc(1, sizeof *made);
    snprintf(made->user, sizeof made->user, "%s", id ? id : "admin");
    __atomic_add_fetch(&fake_rados_live, 1, __ATOMIC_SEQ_CST);
    *cluster = made;
    return 0;
}

int rados_conf_set(rados_t handle, const char *option, const char *value)
{
    struct cluster *cluster = handle;
    if (strcmp(option, "folder") != 0)
        return -ENOENT;
    snprintf(cluster->folder, sizeof cluster->folder, "%s", value);
    return 0;
}

int rados_conf_read_file(rados_t handle, const char *path)
{
    char line[512];
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file)
        return -ENOENT;
    int result = -EINVAL;
    if (fgets(line, sizeof line, file) && strncmp(line, "folder=", 7) == 0) {
        line[strcspn(line, "\n")] = 0;
        result = rados_conf_set(handle, "folder", line + 7);
    }
    fclose(file);
    return result;
}

int rados_connect(rados_t handle)
{
    struct cluster *cluster = handle;
    if (strcmp(cluster->user, "stranger") == 0)
        return -EACCES;
    if (!cluster->folder[0])
        return -ETIMEDOUT;
    cluster->connected = 1;
    return 0;
}

void rados_shutdown(rados_t cluster)
{
    free(cluster);
    __atomic_sub_fetch(&fake_rados_live, 1, __ATOMIC_SEQ_CST);
}

int rados_ioctx_create(rados_t handle, const char *pool, rados_ioctx_t *made)
{
    struct cluster *cluster = handle;
    if (!cluster->connected)
        return -ENOTCONN;
    if (strcmp(pool, "none") == 0)
        return -ENOENT;
    struct context *context = calloc(1, sizeof *context);
    context->cluster = cluster;
    snprintf(context->pool, sizeof context->pool, "%s", pool);
    __atomic_add_fetch(&fake_rados_live, 1, __ATOMIC_SEQ_CST);
    *made = context;
    return 0;
}

void rados_ioctx_set_namespace(rados_ioctx_t handle, const char *name)
{
    struct context *context = handle;
    snprintf(context->space, sizeof context->space, "%s", name);
}

void rados_ioctx_destroy(rados_ioctx_t context)
{
    free(context);
    __atomic_sub_fetch(&fake_rados_live, 1, __ATOMIC_SEQ_CST);
}
#else
enum operation { NONE, READ, WRITE, FLUSH, DISCARD, ZEROES };
struct image;
struct completion {
    struct completion *next;
    void *argument;
    struct image *image;
    enum operation operation;
    const struct iovec *vectors;
    int count;
    uint64_t offset, length;
    ssize_t result;
    int has_ended;
};
struct image {
    int file, signal, is_read_only, is_closing;
    pthread_t thread;
    pthread_mutex_t gate;
    pthread_cond_t has_work;
    struct completion *waiting, *ended;
};

/* Images and completions that are not given back, flushes, and what is to fail: requests that touch the byte; all new ones. */
int fake_live, fake_flushes;
int64_t fake_eio_at = -1, fake_nospace_at = -1;
int fake_refuses;

static int touches(struct completion *c, int64_t byte)
{
    return byte >= 0 && (uint64_t)byte >= c->offset && (uint64_t)byte < c->offset + c->length;
}

static ssize_t zero(struct image *image, uint64_t offset, uint64_t length)
{
    static const char zeroes[65536];
    while (length > 0) {
        size_t part = length < sizeof zeroes ? length : sizeof zeroes;
        if (pwrite(image->file, zeroes, part, offset) != (ssize_t)part)
            return -errno;
        offset += part;
        length -= part;
    }
    return 0;
}

static ssize_t carry_out(struct image *image, struct completion *c)
{
    ssize_t result;
    if (touches(c, fake_eio_at))
        return -EIO;
    if (c->operation != READ && touches(c, fake_nospace_at))
        return -ENOSPC;
    if (image->is_read_only && c->operation != READ && c->operation != FLUSH)
        return -EROFS;
    switch (c->operation) {
    case READ:
        result = preadv(image->file, c->vectors, c->count, c->offset);
        return result < 0 ? -errno : result;
    case WRITE:
        result = pwritev(image->file, c->vectors, c->count, c->offset);
        return result < 0 ? -errno : 0;
    case FLUSH:
        __atomic_add_fetch(&fake_flushes, 1, __ATOMIC_SEQ_CST);
        return 0;
    default:
        return zero(image, c->offset, c->length);
    }
}

static void *work(void *argument)
{
    struct image *image = argument;
    pthread_mutex_lock(&image->gate);
    for (;;) {
        while (!image->waiting && !image->is_closing)
            pthread_cond_wait(&image->has_work, &image->gate);
        struct completion *c = image->waiting;
        if (!c)
            break;
        image->waiting = c->next;
        pthread_mutex_unlock(&image->gate);
        c->result = carry_out(image, c);
        pthread_mutex_lock(&image->gate);
        c->has_ended = 1;
        c->next = image->ended;
        image->ended = c;
        uint64_t one = 1;
        if (write(image->signal, &one, sizeof one) != sizeof one)
            abort();
    }
    pthread_mutex_unlock(&image->gate);
    return NULL;
}

static int submit(rbd_image_t handle, enum operation operation, uint64_t offset, uint64_t length, rbd_completion_t completion)
{
    struct image *image = handle;
    struct completion *c = completion;
    if (__atomic_load_n(&fake_refuses, __ATOMIC_SEQ_CST))
        return -ENOSPC;
    c->image = image;
    c->operation = operation;
    c->offset = offset;
    c->length = length;
    pthread_mutex_lock(&image->gate);
    c->next = image->waiting;
    image->waiting = c;
    pthread_cond_signal(&image->has_work);
    pthread_mutex_unlock(&image->gate);
    return 0;
}

static int transfer(rbd_image_t image, enum operation operation, const struct iovec *vectors, int count, uint64_t offset, rbd_completion_t completion)
{
    struct completion *c = completion;
    uint64_t length = 0;
    if (count < 1 || count > 1024)
        return -EINVAL;
    for (int index = 0; index < count; index++)
        length += vectors[index].iov_len;
    c->vectors = vectors;
    c->count = count;
    return submit(image, operation, offset, length, completion);
}

static int open_image(rados_ioctx_t io, const char *name, rbd_image_t *made, const char *snapshot, int is_read_only)
{
    struct context *context = io;
    char path[1024];
    snprintf(path, sizeof path, "%s/%s%s%s.%s%s%s", context->cluster->folder, context->pool, context->space[0] ? "." : "",
             context->space, name, snapshot ? "@" : "", snapshot ? snapshot : "");
    int file = open(path, (is_read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (file < 0)
        return -errno;
    struct image *image = calloc(1, sizeof *image);
    image->file = file;
    image->signal = -1;
    image->is_read_only = is_read_only;
    pthread_mutex_init(&image->gate, NULL);
    pthread_cond_init(&image->has_work, NULL);
    pthread_create(&image->thread, NULL, work, image);
    __atomic_add_fetch(&fake_live, 1, __ATOMIC_SEQ_CST);
    *made = image;
    return 0;
}

int rbd_open(rados_ioctx_t io, const char *name, rbd_image_t *image, const char *snap_name)
{
    return open_image(io, name, image, snap_name, 0);
}

int rbd_open_read_only(rados_ioctx_t io, const char *name, rbd_image_t *image, const char *snap_name)
{
    return open_image(io, name, image, snap_name, 1);
}

int rbd_close(rbd_image_t handle)
{
    struct image *image = handle;
    pthread_mutex_lock(&image->gate);
    image->is_closing = 1;
    pthread_cond_signal(&image->has_work);
    pthread_mutex_unlock(&image->gate);
    pthread_join(image->thread, NULL);
    close(image->file);
    free(image);
    __atomic_sub_fetch(&fake_live, 1, __ATOMIC_SEQ_CST);
    return 0;
}

int rbd_get_size(rbd_image_t handle, uint64_t *size)
{
    struct image *image = handle;
    struct stat about;
    if (fstat(image->file, &about) < 0)
        return -errno;
    *size = about.st_size;
    return 0;
}

int rbd_set_image_notification(rbd_image_t handle, int fd, int type)
{
    if (type != 2)
        return -EINVAL;
    ((struct image *)handle)->signal = fd;
    return 0;
}

int rbd_poll_io_events(rbd_image_t handle, rbd_completion_t *ended, int room)
{
    struct image *image = handle;
    int count = 0;
    pthread_mutex_lock(&image->gate);
    for (; image->ended && count < room; image->ended = image->ended->next)
        ended[count++] = image->ended;
    pthread_mutex_unlock(&image->gate);
    return count;
}

int rbd_aio_create_completion(void *argument, rbd_callback_t callback, rbd_completion_t *made)
{
    if (callback)
        return -EINVAL;
    struct completion *c = calloc(1, sizeof *c);
    c->argument = argument;
    __atomic_add_fetch(&fake_live, 1, __ATOMIC_SEQ_CST);
    *made = c;
    return 0;
}

ssize_t rbd_aio_get_return_value(rbd_completion_t c)
{
    return ((struct completion *)c)->has_ended ? ((struct completion *)c)->result : -EINPROGRESS;
}

void *rbd_aio_get_arg(rbd_completion_t c)
{
    return ((struct completion *)c)->argument;
}

void rbd_aio_release(rbd_completion_t c)
{
    free(c);
    __atomic_sub_fetch(&fake_live, 1, __ATOMIC_SEQ_CST);
}

int rbd_aio_readv(rbd_image_t image, const struct iovec *iov, int iovcnt, uint64_t off, rbd_completion_t c)
{
    return transfer(image, READ, iov, iovcnt, off, c);
}

int rbd_aio_writev(rbd_image_t image, const struct iovec *iov, int iovcnt, uint64_t off, rbd_completion_t c)
{
    return transfer(image, WRITE, iov, iovcnt, off, c);
}

int rbd_aio_flush(rbd_image_t image, rbd_completion_t c)
{
    return submit(image, FLUSH, 0, 0, c);
}

int rbd_aio_discard(rbd_image_t image, uint64_t off, uint64_t len, rbd_completion_t c)
{
    return submit(image, DISCARD, off, len, c);
}

int rbd_aio_write_zeroes(rbd_image_t image, uint64_t off, size_t len, rbd_completion_t c, int zero_flags, int op_flags)
{
    if ((zero_flags & ~1) != 0 || op_flags != 0)
        return -EINVAL;
    return submit(image, ZEROES, off, len, c);
}
#endif
