// Sends packets through a virtio network card of this machine, at a given rate: a driver that does next to nothing, so that an emulated guest
// offers a device more packets than its kernel could.
//
//   netload PCI-ADDRESS PACKETS-PER-SECOND BURST SECONDS
//
// The card (virtio over PCI, version 1) must have no driver. Packets have 60 bytes and lie behind their header in one piece of memory; a split
// ring of 256, with EVENT_IDX, as Linux uses it: the device is told of a burst when it asks to be. It is never asked for interrupts. Prints
// how many packets the device took, how many in a second, how many notifications, and how many bursts found no room at their time.
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

enum {
    QUEUE_SIZE = 256,
    PAGE_BYTES = 2 << 20,
    HEADER_BYTES = 12,
    FRAME_BYTES = 60,
    SLOT_BYTES = 2048,
    RECEIVE = 0,
    TRANSMIT = 1,
    NO_VECTOR = 0xffff,
};
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };
enum { EVENT_IDX = 1u << 29, VERSION_1_HIGH = 1 };

// VIRTIO 1.4, 4.1.4.3.
struct common {
    uint32_t device_feature_select, device_feature, driver_feature_select, driver_feature;
    uint16_t config_msix_vector, num_queues;
    uint8_t device_status, config_generation;
    uint16_t queue_select, queue_size, queue_msix_vector, queue_enable, queue_notify_off;
    uint32_t queue_desc[2], queue_driver[2], queue_device[2];
};
struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};
struct available {
    uint16_t flags, index, ring[QUEUE_SIZE], used_event;
};
struct used {
    uint16_t flags, index;
    struct {
        uint32_t id, length;
    } ring[QUEUE_SIZE];
    uint16_t available_event;
};
struct rings {
    struct descriptor descriptors[QUEUE_SIZE];
    struct available available;
    _Alignas(4096) struct used used;
};

static void fail(const char *what) {
    fprintf(stderr, "netload: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_of(const char *card, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/%s", card, name);
    int file = open(path, O_RDWR | O_SYNC);
    if (file < 0) {
        fail(path);
    }

    return file;
}

static uint32_t config_read(int config, int at, int bytes) {
    uint32_t value = 0;
    if (pread(config, &value, (size_t)bytes, at) != bytes) {
        fail("configuration space");
    }

    return value;
}

// The structure of one kind, where a capability of the vendor says that it lies.
static volatile uint8_t *map_structure(const char *card, int config, int kind, uint32_t *multiplier) {
    int at = (int)config_read(config, 0x34, 1);
    for (int count = 0; at != 0 && count < 48; count++) {
        if (config_read(config, at, 1) == 0x09 && (int)config_read(config, at + 3, 1) == kind) {
            char name[16];
            snprintf(name, sizeof name, "resource%u", config_read(config, at + 4, 1));
            uint32_t offset = config_read(config, at + 8, 4);
            uint32_t length = config_read(config, at + 12, 4);
            if (multiplier) {
                *multiplier = config_read(config, at + 16, 4);
            }

            int file = open_of(card, name);
            uint32_t start = offset & ~4095u;
            uint8_t *memory = mmap(NULL, offset - start + length, PROT_READ | PROT_WRITE, MAP_SHARED, file, start);
            if (memory == MAP_FAILED) {
                fail(name);
            }

            close(file);
            return memory + (offset - start);
        }

        at = (int)config_read(config, at + 1, 1);
    }

    fprintf(stderr, "netload: %s has no structure of kind %d, so it is no virtio card of version 1\n", card, kind);
    exit(1);
}

// Memory in one piece, and where the machine has it.
static uint8_t *allocate(uint64_t *physical) {
    uint8_t *memory = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED) {
        fail("a huge page");
    }

    memset(memory, 0, PAGE_BYTES);
    int file = open("/proc/self/pagemap", O_RDONLY);
    uint64_t entry;
    if (file < 0 || pread(file, &entry, sizeof entry, (off_t)((uintptr_t)memory / 4096 * sizeof entry)) != sizeof entry) {
        fail("/proc/self/pagemap");
    }

    close(file);
    *physical = (entry & ((1ull << 55) - 1)) * 4096;
    if (*physical == 0) {
        fprintf(stderr, "netload: the kernel does not tell physical addresses; only root may know them\n");
        exit(1);
    }

    return memory;
}

static void set_queue(volatile struct common *common, int number, uint64_t physical) {
    uint64_t areas[] = {physical, physical + offsetof(struct rings, available), physical + offsetof(struct rings, used)};
    common->queue_select = (uint16_t)number;
    common->queue_size = QUEUE_SIZE;
    common->queue_msix_vector = NO_VECTOR;
    volatile uint32_t *registers[] = {common->queue_desc, common->queue_driver, common->queue_device};
    for (int area = 0; area < 3; area++) {
        registers[area][0] = (uint32_t)areas[area];
        registers[area][1] = (uint32_t)(areas[area] >> 32);
    }

    common->queue_enable = 1;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double ticks_per_second(void) {
    double start = now();
    uint64_t first = __rdtsc();
    while (now() - start < 0.2) {
    }

    return (double)(__rdtsc() - first) / (now() - start);
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: netload PCI-ADDRESS PACKETS-PER-SECOND BURST SECONDS\n");
        return 2;
    }

    const char *card = argv[1];
    double rate = atof(argv[2]), seconds = atof(argv[4]);
    int burst = atoi(argv[3]);
    if (!(rate > 0) || !(seconds > 0) || burst < 1 || burst > QUEUE_SIZE) {
        fprintf(stderr, "netload: PACKETS-PER-SECOND and SECONDS are more than 0, BURST is 1 to %d\n", QUEUE_SIZE);
        return 2;
    }

    int enable = open_of(card, "enable");
    if (write(enable, "1", 1) != 1) {
        fail("enabling the card");
    }

    int config = open_of(card, "config");
    // Memory, bus master, no interrupt line.
    uint16_t command = (uint16_t)(config_read(config, 4, 2) | 0x406);
    if (pwrite(config, &command, sizeof command, 4) != sizeof command) {
        fail("configuration space");
    }

    uint32_t multiplier = 0;
    volatile struct common *common = (volatile struct common *)map_structure(card, config, 1, NULL);
    volatile uint8_t *notify = map_structure(card, config, 2, &multiplier);

    common->device_status = 0;
    while (common->device_status != 0) {
    }

    common->device_status = ACKNOWLEDGE | DRIVER;
    common->device_feature_select = 0;
    uint32_t features = common->device_feature & EVENT_IDX;
    common->driver_feature_select = 0;
    common->driver_feature = features;
    common->driver_feature_select = 1;
    common->driver_feature = VERSION_1_HIGH;
    common->device_status = ACKNOWLEDGE | DRIVER | FEATURES_OK;
    if (!(common->device_status & FEATURES_OK) || !features) {
        fprintf(stderr, "netload: the card does not take VERSION_1 with EVENT_IDX\n");
        return 1;
    }

    uint64_t physical, physical_data;
    uint8_t *memory = allocate(&physical);
    uint8_t *data = allocate(&physical_data);
    size_t stride = (sizeof(struct rings) + 4095) & ~(size_t)4095;
    struct rings *rings = (struct rings *)(memory + stride);
    set_queue(common, RECEIVE, physical);
    set_queue(common, TRANSMIT, physical + stride);
    volatile uint16_t *doorbell = (volatile uint16_t *)(notify + (size_t)common->queue_notify_off * multiplier);
    uint16_t free_slots[QUEUE_SIZE];
    for (int slot = 0; slot < QUEUE_SIZE; slot++) {
        uint8_t *frame = data + slot * SLOT_BYTES + HEADER_BYTES;
        memset(frame, 0xff, 6);
        memcpy(frame + 6, "\x02\x00\x00\x00\x02\x0f\x88\xb5", 8);
        rings->descriptors[slot].address = physical_data + (uint64_t)slot * SLOT_BYTES;
        rings->descriptors[slot].length = HEADER_BYTES + FRAME_BYTES;
        free_slots[slot] = (uint16_t)slot;
    }

    common->device_status = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;

    volatile uint16_t *used_index = &rings->used.index, *available_event = &rings->used.available_event;
    double ticks = ticks_per_second();
    uint64_t per_burst = (uint64_t)(ticks * burst / rate), kicks = 0, late = 0, sent = 0;
    uint16_t next = 0, seen = 0;
    int free_count = QUEUE_SIZE;
    double started = now();
    uint64_t due = __rdtsc(), end = due + (uint64_t)(ticks * seconds);
    for (;;) {
        uint64_t time;
        while ((time = __rdtsc()) < due) {
            __builtin_ia32_pause();
        }

        if (time >= end) {
            break;
        }

        for (uint16_t last = *used_index; seen != last; seen++) {
            __atomic_thread_fence(__ATOMIC_ACQUIRE);
            free_slots[free_count++] = (uint16_t)rings->used.ring[seen % QUEUE_SIZE].id;
        }

        // Far behind: no interrupt is asked for.
        rings->available.used_event = (uint16_t)(seen - 1);
        if (free_count < burst) {
            late++;
            continue;
        }

        uint16_t before = next;
        for (int count = 0; count < burst; count++, next++) {
            rings->available.ring[next % QUEUE_SIZE] = free_slots[--free_count];
        }

        __atomic_store_n(&rings->available.index, next, __ATOMIC_RELEASE);
        // By this instruction and no other: QEMU emulates locked ones for a machine with one processor as if no device ran beside it.
        _mm_mfence();
        if ((uint16_t)(next - *available_event - 1) < (uint16_t)(next - before)) {
            *doorbell = TRANSMIT;
            kicks++;
        }

        sent += (uint64_t)burst;
        due += per_burst;
        // What could not be offered in time is not made up for later: that would be another rate.
        if (due + (uint64_t)(ticks / 100) < time) {
            due = time;
        }
    }

    double took = now() - started;
    for (double since = now(); *used_index != next && now() - since < 2;) {
    }

    uint16_t missing = (uint16_t)(next - *used_index);
    common->device_status = 0;
    printf("%llu packets %.0f per second %llu notifications %llu without room\n", (unsigned long long)(sent - missing),
           (double)(sent - missing) / took, (unsigned long long)kicks, (unsigned long long)late);
    return 0;
}
