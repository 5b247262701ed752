// What Linux has and the Glibc module of Swift leaves out.
#pragma once
#include <fcntl.h>
#include <sys/epoll.h>

// MARK: Writes past the page cache

// Whether the file system can: 0, or -1 and errno. The flag by its internal name: the public one asks for _GNU_SOURCE,
// under which fd_set has other members than in the Glibc module, and Swift refuses to see two of it.
static inline int switchyard_set_direct(int descriptor, int is_direct) {
  int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0) return -1;
  return fcntl(descriptor, F_SETFL, is_direct ? flags | __O_DIRECT : flags & ~__O_DIRECT);
}

// MARK: epoll, without the union of pointers in its events

static inline int switchyard_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

// Tells once of all that has come: one that stays in line until it has been asked again keeps its old place there, before
// others that have become ready since.
static inline int switchyard_epoll_add(int queue, int descriptor) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {.fd = descriptor}};
  return epoll_ctl(queue, EPOLL_CTL_ADD, descriptor, &event);
}

static inline int switchyard_epoll_remove(int queue, int descriptor) {
  return epoll_ctl(queue, EPOLL_CTL_DEL, descriptor, 0);
}

// Descriptors in the order in which they became ready; returns how many.
static inline int switchyard_epoll_wait(int queue, int *descriptors, int capacity, int milliseconds) {
  struct epoll_event events[256];
  int count = epoll_wait(queue, events, capacity < 256 ? capacity : 256, milliseconds);
  for (int index = 0; index < count; index++) descriptors[index] = events[index].data.fd;
  return count;
}
