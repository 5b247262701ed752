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

static inline int switchyard_epoll_add(int queue, int descriptor) {
  struct epoll_event event = {.events = EPOLLIN, .data = {.fd = descriptor}};
  return epoll_ctl(queue, EPOLL_CTL_ADD, descriptor, &event);
}

// Tells once, and only that the other end will send no more. Told of until it is quiet, a descriptor would keep its place in
// the queue while others become ready; told of bytes too, it would have its place from the first of them.
static inline int switchyard_epoll_add_end(int queue, int descriptor) {
  struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data = {.fd = descriptor}};
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
