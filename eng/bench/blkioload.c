// Random reads through libblkio from a vhost-user back-end, and how many of them there were in a second.
//
//   blkioload SOCKET DEPTH SECONDS poll|wait
//
// Prints one number. What Vireo.Benchmarks "session" does with our driver, so that the two can be compared.
#include <blkio.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCK_BYTES = 4096, DEPTH_MAX = 256 };

static const double warm_up_seconds = 0.2;

static void check(int result, const char *what) {
    if (result < 0) {
        fprintf(stderr, "blkioload: %s: %s (%s)\n", what, blkio_get_error_msg(), strerror(-result));
        exit(1);
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// xorshift: two clients with the same seed read the same blocks.
static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: blkioload SOCKET DEPTH SECONDS poll|wait\n");
        return 2;
    }

    const char *path = argv[1];
    int depth = atoi(argv[2]);
    double seconds = atof(argv[3]);
    int least = strcmp(argv[4], "wait") == 0;
    if (depth < 1 || depth > DEPTH_MAX || !(seconds > 0)) {
        fprintf(stderr, "blkioload: DEPTH is 1 to %d, SECONDS more than 0\n", DEPTH_MAX);
        return 2;
    }

    struct blkio *disk;
    uint64_t capacity;
    struct blkio_mem_region memory;
    check(blkio_create("virtio-blk-vhost-user", &disk), "create");
    check(blkio_set_str(disk, "path", path), "path");
    check(blkio_connect(disk), "connect");
    check(blkio_get_uint64(disk, "capacity", &capacity), "capacity");
    check(blkio_start(disk), "start");
    check(blkio_alloc_mem_region(disk, &memory, (size_t)depth * BLOCK_BYTES), "memory");
    check(blkio_map_mem_region(disk, &memory), "memory");
    struct blkioq *queue = blkio_get_queue(disk, 0);

    static struct blkio_completion completions[DEPTH_MAX];
    uint64_t random = 88172645463325252u, blocks = capacity / BLOCK_BYTES, count = 0;
    for (int slot = 0; slot < depth; slot++)
        blkioq_read(queue, next_random(&random) % blocks * BLOCK_BYTES, (char *)memory.addr + slot * BLOCK_BYTES, BLOCK_BYTES,
                    (void *)(intptr_t)slot, 0);

    double start = now() + warm_up_seconds, time = 0, end = start + seconds;
    for (int is_warm = 0; time < end;) {
        int done = blkioq_do_io(queue, completions, least, depth, NULL);
        check(done, "do_io");
        for (int index = 0; index < done; index++) {
            check(completions[index].ret, "read");
            intptr_t slot = (intptr_t)completions[index].user_data;
            blkioq_read(queue, next_random(&random) % blocks * BLOCK_BYTES, (char *)memory.addr + slot * BLOCK_BYTES, BLOCK_BYTES,
                        (void *)slot, 0);
        }

        count += (uint64_t)done;
        time = now();
        if (!is_warm && time >= start) {
            is_warm = 1;
            start = time;
            end = start + seconds;
            count = 0;
        }
    }

    printf("%.0f\n", (double)count / (time - start));
    return 0;
}
