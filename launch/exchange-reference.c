// What a plain C program reaches: every rank sends every other rank messages of one size, and waits for them with
// MPI_Test and sched_yield, never inside MPI. launch/compare-exchange.sh holds `moe-worker bench exchange` against it.
//
// exchange-reference BYTES MESSAGES SAMPLES prints the median over SAMPLES of what a rank sends, in 10^9 bytes a second.
// MESSAGES go to each peer in each sample; at most 8 to and 8 from each peer are in flight.

#include <mpi.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { window = 8, tag = 1 };

static int compare(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static void wait_for(MPI_Request *request) {
  int done = 0;
  MPI_Test(request, &done, MPI_STATUS_IGNORE);
  while (!done) {
    sched_yield();
    MPI_Test(request, &done, MPI_STATUS_IGNORE);
  }
}

// A peer's messages in flight, oldest first; message i uses slot i % window of the requests and of the memory.
struct lane {
  int peer, started_receives, done_receives, started_sends, done_sends;
  char *incoming, *outgoing;
  MPI_Request receives[window], sends[window];
};

static void start(struct lane *lane, int bytes, int messages) {
  while (lane->started_receives < messages && lane->started_receives - lane->done_receives < window) {
    int slot = lane->started_receives++ % window;
    MPI_Irecv(lane->incoming + (size_t)slot * bytes, bytes, MPI_BYTE, lane->peer, tag, MPI_COMM_WORLD,
              &lane->receives[slot]);
  }
  while (lane->started_sends < messages && lane->started_sends - lane->done_sends < window) {
    int slot = lane->started_sends++ % window;
    MPI_Isend(lane->outgoing + (size_t)slot * bytes, bytes, MPI_BYTE, lane->peer, tag, MPI_COMM_WORLD,
              &lane->sends[slot]);
  }
}

// Looks at the oldest request of each direction; returns whether anything moved.
static int advance(struct lane *lane, int bytes, int messages) {
  int done = 0, moved = 0;
  while (lane->done_receives < lane->started_receives) {
    MPI_Test(&lane->receives[lane->done_receives % window], &done, MPI_STATUS_IGNORE);
    if (!done) break;
    lane->done_receives++;
    moved = 1;
  }
  while (lane->done_sends < lane->started_sends) {
    MPI_Test(&lane->sends[lane->done_sends % window], &done, MPI_STATUS_IGNORE);
    if (!done) break;
    lane->done_sends++;
    moved = 1;
  }
  if (moved) start(lane, bytes, messages);
  return moved;
}

static double sample(struct lane *lanes, int count, int bytes, int messages) {
  MPI_Request barrier;
  MPI_Ibarrier(MPI_COMM_WORLD, &barrier);
  wait_for(&barrier);
  double begin = MPI_Wtime();
  for (int i = 0; i < count; i++) {
    lanes[i].started_receives = lanes[i].done_receives = lanes[i].started_sends = lanes[i].done_sends = 0;
    start(&lanes[i], bytes, messages);
  }
  for (int open = count; open > 0;) {
    int moved = 0;
    open = 0;
    for (int i = 0; i < count; i++) {
      moved |= advance(&lanes[i], bytes, messages);
      open += lanes[i].done_receives < messages || lanes[i].done_sends < messages;
    }
    if (!moved) sched_yield();
  }
  double own = MPI_Wtime() - begin, slowest = 0;
  MPI_Request maximum;
  MPI_Iallreduce(&own, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD, &maximum);
  wait_for(&maximum);
  return slowest;
}

// Asks the launcher something and waits for its answer with MPI still moving.
static void ask(int launcher, const char *question) {
  char last = 0;
  int found;
  if (write(launcher, question, strlen(question)) < 0) _exit(75);
  while (last != '\n') {
    struct pollfd query = {.fd = launcher, .events = POLLIN};
    MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &found, MPI_STATUS_IGNORE);
    if (poll(&query, 1, 0) == 0) sched_yield();
    else if (read(launcher, &last, 1) != 1) _exit(75);
  }
}

// MPI_Finalize may hang over TCP before MPICH 4.2: Sources/Communication/ProcessManager.swift says why.
static void leave(void) {
  const char *launcher = getenv("PMI_FD");
  fflush(stdout);
  if (launcher == NULL) {
    MPI_Finalize();
    exit(0);
  }
  ask(atoi(launcher), "cmd=barrier_in\n");
  ask(atoi(launcher), "cmd=finalize\n");
  _exit(0);
}

int main(int argc, char **argv) {
  int rank, size;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  int bytes = argc > 1 ? atoi(argv[1]) : 0, messages = argc > 2 ? atoi(argv[2]) : 0;
  int samples = argc > 3 ? atoi(argv[3]) : 0;
  if (argc != 4 || bytes < 1 || messages < 1 || samples < 1 || size < 2) {
    if (rank == 0) fprintf(stderr, "usage, on at least 2 ranks: exchange-reference BYTES MESSAGES SAMPLES\n");
    MPI_Finalize();
    return 64;
  }
  struct lane *lanes = calloc(size - 1, sizeof *lanes);
  for (int i = 0; i < size - 1; i++) {
    lanes[i].peer = (rank + 1 + i) % size;
    lanes[i].incoming = malloc((size_t)window * bytes);
    lanes[i].outgoing = malloc((size_t)window * bytes);
    memset(lanes[i].incoming, 0, (size_t)window * bytes);
    memset(lanes[i].outgoing, rank, (size_t)window * bytes);
  }
  double *seconds = calloc(samples, sizeof *seconds);
  sample(lanes, size - 1, bytes, messages);
  for (int i = 0; i < samples; i++) seconds[i] = sample(lanes, size - 1, bytes, messages);
  qsort(seconds, samples, sizeof *seconds, compare);
  double median = (seconds[(samples - 1) / 2] + seconds[samples / 2]) / 2;
  if (rank == 0) printf("%.6g\n", 1e-9 * (size - 1) * messages * (double)bytes / median);
  leave();
}
