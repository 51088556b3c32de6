// Load for a block device behind a vhost-user socket, and for a file through io_uring with nothing in between.
//
// One thread does everything, so that one core is the client and the server has the other. A ring's descriptors are written once:
// a request costs the client a sector number, an entry of the available ring and an entry of the used ring.
//
//   blkload --socket PATH | --uring FILE [--direct]
//           [--op read|write] [--pattern random|sequential] [--block BYTES] [--depth N] [--queues N]
//           [--seconds S] [--warm-up S] [--sleep] [--pid PID]
//
// Prints one line: iops=N mib_s=N cpu_us=N rss_kib=N errors=N. CPU is that of process PID (its own with --uring), per request.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/io_uring.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { SECTOR = 512, QUEUES_MAX = 16, DEPTH_MAX = 1024, PAGE = 4096, WAIT_MS = 5000 };

static struct {
	const char *socket;
	const char *file;
	bool direct;
	bool write;
	bool sequential;
	bool sleeps;
	unsigned block;
	unsigned depth;
	unsigned queues;
	double seconds;
	double warm_up;
	int pid;
} options = {.block = 4096, .depth = 32, .queues = 1, .seconds = 1, .warm_up = 0.2};

static uint64_t blocks; // whole blocks on the disk
static uint64_t completed;
static uint64_t errors;

static void die(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("blkload: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	exit(1);
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// ---- what is asked for -------------------------------------------------------------------------------------------------------

static uint64_t next_block(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15;
	static uint64_t position;
	if (options.sequential)
		return position++ % blocks;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint64_t)(((unsigned __int128)state * blocks) >> 64);
}

// ---- what the server costs ---------------------------------------------------------------------------------------------------

// Processor time of a process in seconds, with that of threads which have ended.
static double cpu_of(int pid)
{
	clockid_t clock;
	struct timespec time;
	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time))
		return 0;
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static long rss_of(int pid)
{
	char path[64], line[256];
	long kib = 0;
	snprintf(path, sizeof path, "/proc/%d/status", pid);
	FILE *file = fopen(path, "r");
	if (!file)
		return 0;
	while (fgets(line, sizeof line, file))
		if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			break;
	fclose(file);
	return kib;
}

// Keeps calling turn, which returns how many requests have ended, for the warm-up and then for the measurement.
static void measure(unsigned (*turn)(void))
{
	int pid = options.file ? getpid() : options.pid;
	double start = now(), begin = 0, end = 0, cpu = 0;
	uint64_t from = 0;
	for (unsigned since = 0;;) {
		unsigned count = turn();
		completed += count;
		since += count ? count : 1;
		if (since < 32 && options.depth > 1)
			continue;
		since = 0;
		end = now();
		if (begin == 0 && end - start >= options.warm_up) {
			cpu = cpu_of(pid);
			begin = now();
			from = completed;
		} else if (begin != 0 && end - begin >= options.seconds) {
			break;
		}
	}
	double count = (double)(completed - from);
	cpu = cpu_of(pid) - cpu;
	printf("iops=%.0f mib_s=%.1f cpu_us=%.3f rss_kib=%ld errors=%llu\n", count / (end - begin),
	       count * options.block / (end - begin) / 1048576, count > 0 ? cpu * 1e6 / count : 0, rss_of(pid),
	       (unsigned long long)errors);
}

// ---- vhost-user: the messages ------------------------------------------------------------------------------------------------

enum {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	SET_VRING_ENABLE = 18,
	GET_CONFIG = 24,
};

enum { F_PROTOCOL_FEATURES = 30, P_MQ = 0, P_REPLY_ACK = 3, P_CONFIG = 9 };

struct message {
	uint32_t request, flags, size;
	union {
		uint64_t number;
		struct {
			uint32_t index, value;
		} state;
		struct {
			uint32_t index, flags;
			uint64_t descriptors, used, available, log;
		} address;
		struct {
			uint32_t count, padding;
			struct {
				uint64_t guest, size, user, offset;
			} region;
		} memory;
		struct {
			uint32_t offset, size, flags;
			uint8_t bytes[60];
		} config;
	};
} __attribute__((packed));

enum { HEADER = 12 };

static int channel;

static void send_message(struct message *message, int descriptor)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec vector = {message, HEADER + message->size};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
	message->flags |= 1; // the protocol's version
	if (descriptor >= 0) {
		header.msg_control = control;
		header.msg_controllen = sizeof control;
		struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
		*rights = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
	}
	if (sendmsg(channel, &header, MSG_NOSIGNAL) != (ssize_t)vector.iov_len)
		die("request %u: %s", message->request, strerror(errno));
}

static void receive(void *buffer, size_t length)
{
	if (length && recv(channel, buffer, length, MSG_WAITALL) != (ssize_t)length)
		die("the server has closed the connection or does not answer");
}

static void receive_message(struct message *message, uint32_t request)
{
	receive(message, HEADER);
	if (message->request != request || message->size > sizeof *message - HEADER)
		die("answer %u of %u bytes to request %u", message->request, message->size, request);
	receive(&message->number, message->size);
}

static uint64_t ask(uint32_t request)
{
	struct message message = {.request = request};
	send_message(&message, -1);
	receive_message(&message, request);
	return message.number;
}

static void tell(uint32_t request, uint64_t number)
{
	send_message(&(struct message){.request = request, .size = 8, .number = number}, -1);
}

static void tell_ring(uint32_t request, uint32_t index, uint32_t value)
{
	send_message(&(struct message){.request = request, .size = 8, .state = {index, value}}, -1);
}

static void give_ring(uint32_t request, uint32_t index, int descriptor)
{
	send_message(&(struct message){.request = request, .size = 8, .number = index}, descriptor);
}

// ---- vhost-user: the rings ---------------------------------------------------------------------------------------------------

struct ring {
	struct vring vring;
	int kick, call;
	uint16_t available, used;
	struct virtio_blk_outhdr *headers;
	volatile uint8_t *statuses;
};

static struct ring rings[QUEUES_MAX];
static bool has_event_index;
static uint8_t *memory; // guest address N is memory + N
static size_t memory_bytes;

static size_t align(size_t bytes)
{
	return (bytes + PAGE - 1) / PAGE * PAGE;
}

static unsigned ring_size(void)
{
	unsigned size = 1;
	while (size < options.depth * 3)
		size *= 2;
	return size < 4 ? 4 : size;
}

static void share_memory(void)
{
	size_t ring = align(vring_size(ring_size(), PAGE)) + align(options.depth * sizeof(struct virtio_blk_outhdr)) +
		      align(options.depth) + options.depth * align(options.block);
	memory_bytes = PAGE + ring * options.queues;
	int file = memfd_create("blkload", MFD_CLOEXEC);
	if (file < 0 || ftruncate(file, (off_t)memory_bytes))
		die("memory: %s", strerror(errno));
	memory = mmap(NULL, memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
	if (memory == MAP_FAILED)
		die("memory: %s", strerror(errno));
	struct message message = {.request = SET_MEM_TABLE, .size = 40, .memory = {.count = 1}};
	message.memory.region.size = memory_bytes;
	message.memory.region.user = (uintptr_t)memory;
	send_message(&message, file);
	close(file);
}

static uint64_t guest_address(const volatile void *pointer)
{
	return (uint64_t)((const volatile uint8_t *)pointer - memory);
}

// Writes the descriptors of all requests: header, data, status.
static void lay_out(struct ring *ring, uint8_t **next)
{
	unsigned size = ring_size();
	vring_init(&ring->vring, size, *next, PAGE);
	*next += align(vring_size(size, PAGE));
	ring->headers = (void *)*next;
	*next += align(options.depth * sizeof *ring->headers);
	ring->statuses = *next;
	*next += align(options.depth);
	uint16_t data = options.write ? 0 : VRING_DESC_F_WRITE;
	for (unsigned slot = 0; slot < options.depth; slot++, *next += align(options.block)) {
		uint16_t head = (uint16_t)(slot * 3);
		struct vring_desc *chain = ring->vring.desc + head;
		memset(*next, (int)slot + 1, options.block);
		ring->headers[slot].type = options.write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
		chain[0] = (struct vring_desc){guest_address(ring->headers + slot), sizeof *ring->headers, VRING_DESC_F_NEXT, head + 1};
		chain[1] = (struct vring_desc){guest_address(*next), options.block, VRING_DESC_F_NEXT | data, head + 2};
		chain[2] = (struct vring_desc){guest_address(ring->statuses + slot), 1, VRING_DESC_F_WRITE, 0};
	}
}

static void start_ring(uint32_t index)
{
	struct ring *ring = rings + index;
	ring->kick = eventfd(0, EFD_CLOEXEC);
	ring->call = eventfd(0, EFD_CLOEXEC);
	if (!options.sleeps && !has_event_index)
		ring->vring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	tell_ring(SET_VRING_NUM, index, ring->vring.num);
	tell_ring(SET_VRING_BASE, index, 0);
	struct message message = {.request = SET_VRING_ADDR, .size = 40, .address = {.index = index}};
	message.address.descriptors = (uintptr_t)ring->vring.desc;
	message.address.available = (uintptr_t)ring->vring.avail;
	message.address.used = (uintptr_t)ring->vring.used;
	send_message(&message, -1);
	give_ring(SET_VRING_CALL, index, ring->call);
	give_ring(SET_VRING_KICK, index, ring->kick);
	tell_ring(SET_VRING_ENABLE, index, 1);
}

static void connect_device(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = WAIT_MS / 1000};
	if (strlen(options.socket) >= sizeof address.sun_path)
		die("the socket's path is too long: %s", options.socket);
	strcpy(address.sun_path, options.socket);
	channel = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(channel, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (connect(channel, (void *)&address, sizeof address))
		die("%s: %s", options.socket, strerror(errno));
	uint64_t offered = ask(GET_FEATURES);
	uint64_t wanted = 1ULL << VIRTIO_F_VERSION_1 | 1ULL << F_PROTOCOL_FEATURES | 1ULL << VIRTIO_RING_F_EVENT_IDX |
			  1ULL << VIRTIO_BLK_F_MQ | 1ULL << VIRTIO_BLK_F_FLUSH;
	uint64_t features = offered & wanted;
	if (!(features & 1ULL << VIRTIO_F_VERSION_1) || !(features & 1ULL << F_PROTOCOL_FEATURES))
		die("the server offers no VERSION_1 or no protocol features: %#llx", (unsigned long long)offered);
	has_event_index = features & 1ULL << VIRTIO_RING_F_EVENT_IDX;
	tell(SET_PROTOCOL_FEATURES, ask(GET_PROTOCOL_FEATURES) & (1 << P_MQ | 1 << P_CONFIG));
	send_message(&(struct message){.request = SET_OWNER}, -1);
	struct message config = {.request = GET_CONFIG, .size = 72, .config = {.size = 60}};
	send_message(&config, -1);
	receive_message(&config, GET_CONFIG);
	uint64_t sectors;
	memcpy(&sectors, config.config.bytes, sizeof sectors);
	blocks = sectors * SECTOR / options.block;
	tell(SET_FEATURES, features);
}

static void submit(struct ring *ring, unsigned slot)
{
	ring->headers[slot].sector = next_block() * (options.block / SECTOR);
	ring->vring.avail->ring[ring->available++ & (ring->vring.num - 1)] = (uint16_t)(slot * 3);
}

// Publishes what was submitted since, and kicks if the device asks for it.
static void publish(struct ring *ring)
{
	uint16_t before = ring->vring.avail->idx;
	atomic_store_explicit((_Atomic uint16_t *)&ring->vring.avail->idx, ring->available, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	bool wanted = has_event_index ? vring_need_event(vring_avail_event(&ring->vring), ring->available, before)
				      : !(ring->vring.used->flags & VRING_USED_F_NO_NOTIFY);
	if (wanted)
		eventfd_write(ring->kick, 1);
}

static bool is_idle(struct ring *ring)
{
	return atomic_load_explicit((_Atomic uint16_t *)&ring->vring.used->idx, memory_order_acquire) == ring->used;
}

// Sleeps until some ring has been called. A server that never does is not waited for without end.
static void sleep_for_call(void)
{
	struct pollfd calls[QUEUES_MAX];
	for (unsigned index = 0; index < options.queues; index++) {
		struct ring *ring = rings + index;
		calls[index] = (struct pollfd){ring->call, POLLIN, 0};
		vring_used_event(&ring->vring) = ring->used;
	}
	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned index = 0; index < options.queues; index++)
		if (!is_idle(rings + index))
			return;
	if (poll(calls, options.queues, WAIT_MS) <= 0)
		die("no call within %d ms", WAIT_MS);
	for (unsigned index = 0; index < options.queues; index++) {
		eventfd_t value;
		if (calls[index].revents)
			eventfd_read(calls[index].fd, &value);
	}
}

// A core that spins leaves its sibling and the memory bus to others in between.
static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static unsigned turn_rings(void)
{
	unsigned count = 0;
	for (unsigned index = 0; index < options.queues; index++) {
		struct ring *ring = rings + index;
		uint16_t used = atomic_load_explicit((_Atomic uint16_t *)&ring->vring.used->idx, memory_order_acquire);
		if (used == ring->used)
			continue;
		while (ring->used != used) {
			unsigned slot = ring->vring.used->ring[ring->used++ & (ring->vring.num - 1)].id / 3;
			if (slot >= options.depth)
				die("a chain was returned that was not given: %u", slot * 3);
			errors += ring->statuses[slot] != VIRTIO_BLK_S_OK;
			submit(ring, slot);
			count++;
		}
		publish(ring);
	}
	if (count == 0 && options.sleeps)
		sleep_for_call();
	else if (count == 0)
		relax();
	return count;
}

static void run_device(void)
{
	connect_device();
	if (blocks == 0)
		die("the disk is smaller than a block of %u bytes", options.block);
	share_memory();
	uint8_t *next = memory + PAGE;
	for (unsigned index = 0; index < options.queues; index++)
		lay_out(rings + index, &next);
	for (unsigned index = 0; index < options.queues; index++)
		start_ring(index);
	for (unsigned index = 0; index < options.queues; index++) {
		for (unsigned slot = 0; slot < options.depth; slot++)
			submit(rings + index, slot);
		publish(rings + index);
		// The first kick counts even when the server has not yet begun to look at the ring.
		eventfd_write(rings[index].kick, 1);
	}
	alarm((unsigned)(options.seconds + options.warm_up) + 20);
	measure(turn_rings);
	if (completed == 0)
		die("the server has answered nothing");
}

// ---- io_uring with no device in between --------------------------------------------------------------------------------------

static struct {
	int ring, file;
	_Atomic unsigned *tail, *head;
	unsigned mask, completion_mask;
	struct io_uring_sqe *entries;
	struct io_uring_cqe *completions;
	_Atomic unsigned *completion_head, *completion_tail;
	uint8_t *data;
	unsigned prepared;
} uring;

static void prepare(unsigned slot)
{
	unsigned tail = atomic_load_explicit(uring.tail, memory_order_relaxed);
	struct io_uring_sqe *entry = uring.entries + (tail & uring.mask);
	*entry = (struct io_uring_sqe){
		.opcode = options.write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED,
		.flags = IOSQE_FIXED_FILE,
		.off = next_block() * options.block,
		.addr = (uintptr_t)(uring.data + slot * align(options.block)),
		.len = options.block,
		.user_data = slot,
	};
	atomic_store_explicit(uring.tail, tail + 1, memory_order_release);
	uring.prepared++;
}

static unsigned turn_uring(void)
{
	long taken = syscall(SYS_io_uring_enter, uring.ring, uring.prepared, 1, IORING_ENTER_GETEVENTS, NULL, 0);
	if (taken < 0)
		die("io_uring_enter: %s", strerror(errno));
	uring.prepared -= (unsigned)taken;
	unsigned head = atomic_load_explicit(uring.completion_head, memory_order_relaxed);
	unsigned tail = atomic_load_explicit(uring.completion_tail, memory_order_acquire);
	unsigned count = tail - head;
	for (; head != tail; head++) {
		struct io_uring_cqe *completion = uring.completions + (head & uring.completion_mask);
		errors += completion->res != (int)options.block;
		prepare((unsigned)completion->user_data);
	}
	atomic_store_explicit(uring.completion_head, head, memory_order_release);
	return count;
}

static void run_uring(void)
{
	uring.file = open(options.file, O_RDWR | O_CLOEXEC | (options.direct ? O_DIRECT : 0));
	struct stat status;
	if (uring.file < 0 || fstat(uring.file, &status))
		die("%s: %s", options.file, strerror(errno));
	blocks = (uint64_t)status.st_size / options.block;
	if (blocks == 0)
		die("%s is smaller than a block of %u bytes", options.file, options.block);
	struct io_uring_params parameters = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
	uring.ring = (int)syscall(SYS_io_uring_setup, options.depth, &parameters);
	if (uring.ring < 0)
		die("io_uring_setup: %s", strerror(errno));
	size_t rings_bytes = parameters.cq_off.cqes + parameters.cq_entries * sizeof(struct io_uring_cqe);
	uint8_t *shared = mmap(NULL, rings_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, uring.ring, IORING_OFF_SQ_RING);
	uring.entries = mmap(NULL, parameters.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED, uring.ring,
			     IORING_OFF_SQES);
	size_t data_bytes = options.depth * align(options.block);
	uring.data = mmap(NULL, data_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (shared == MAP_FAILED || (void *)uring.entries == MAP_FAILED || uring.data == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	memset(uring.data, 1, data_bytes);
	struct iovec buffer = {uring.data, data_bytes};
	if (syscall(SYS_io_uring_register, uring.ring, IORING_REGISTER_FILES, &uring.file, 1) ||
	    syscall(SYS_io_uring_register, uring.ring, IORING_REGISTER_BUFFERS, &buffer, 1))
		die("io_uring_register: %s", strerror(errno));
	uring.head = (void *)(shared + parameters.sq_off.head);
	uring.tail = (void *)(shared + parameters.sq_off.tail);
	uring.mask = parameters.sq_entries - 1;
	unsigned *array = (void *)(shared + parameters.sq_off.array);
	for (unsigned index = 0; index < parameters.sq_entries; index++)
		array[index] = index;
	uring.completion_head = (void *)(shared + parameters.cq_off.head);
	uring.completion_tail = (void *)(shared + parameters.cq_off.tail);
	uring.completion_mask = parameters.cq_entries - 1;
	uring.completions = (void *)(shared + parameters.cq_off.cqes);
	for (unsigned slot = 0; slot < options.depth; slot++)
		prepare(slot);
	measure(turn_uring);
}

// ---- the command line --------------------------------------------------------------------------------------------------------

static unsigned number(const char *name, const char *text, unsigned least, unsigned most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || value < least || value > most)
		die("--%s is '%s', but has to be a number from %u to %u", name, text, least, most);
	return (unsigned)value;
}

static bool choice(const char *name, const char *text, const char *no, const char *yes)
{
	if (strcmp(text, no) && strcmp(text, yes))
		die("--%s is '%s', but has to be %s or %s", name, text, no, yes);
	return !strcmp(text, yes);
}

static double seconds(const char *name, const char *text)
{
	char *end;
	double value = strtod(text, &end);
	if (end == text || *end || !(value >= 0 && value <= 3600))
		die("--%s is '%s', but has to be seconds from 0 to 3600", name, text);
	return value;
}

int main(int count, char **words)
{
	static const struct option known[] = {
		{"socket", 1, 0, 's'}, {"uring", 1, 0, 'u'},   {"direct", 0, 0, 'D'}, {"op", 1, 0, 'o'},
		{"pattern", 1, 0, 'p'}, {"block", 1, 0, 'b'},   {"depth", 1, 0, 'd'},  {"queues", 1, 0, 'q'},
		{"seconds", 1, 0, 't'}, {"warm-up", 1, 0, 'w'}, {"sleep", 0, 0, 'S'},  {"pid", 1, 0, 'P'},
		{0},
	};
	for (int index, letter; (letter = getopt_long(count, words, "", known, &index)) != -1;) {
		const char *name = letter == '?' ? "" : known[index].name;
		switch (letter) {
		case 's': options.socket = optarg; break;
		case 'u': options.file = optarg; break;
		case 'D': options.direct = true; break;
		case 'o': options.write = choice(name, optarg, "read", "write"); break;
		case 'p': options.sequential = choice(name, optarg, "random", "sequential"); break;
		case 'b': options.block = number(name, optarg, SECTOR, 1 << 20); break;
		case 'd': options.depth = number(name, optarg, 1, DEPTH_MAX); break;
		case 'q': options.queues = number(name, optarg, 1, QUEUES_MAX); break;
		case 't': options.seconds = seconds(name, optarg); break;
		case 'w': options.warm_up = seconds(name, optarg); break;
		case 'S': options.sleeps = true; break;
		case 'P': options.pid = (int)number(name, optarg, 1, 1 << 30); break;
		default: die("see the first lines of blkload.c for what there is");
		}
	}
	if (!options.socket == !options.file || optind != count)
		die("say one of --socket PATH and --uring FILE");
	if (options.block % SECTOR)
		die("--block is %u, but has to be whole sectors of %d bytes", options.block, SECTOR);
	if (options.file)
		run_uring();
	else
		run_device();
	return errors != 0;
}
