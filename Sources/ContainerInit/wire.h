#pragma once
#include <sys/types.h>

#include "SkPlan.h"

// Sends one message with descriptors, which stay the caller's. -1 with errno when the peer is gone, or does
// not read and its queue is full: nobody waits for a peer that hangs.
int wire_send(int fd, const struct sk_message *message, const int *fds, int count);

// Receives one message; its descriptors (close on exec) are the caller's. 1 for a message, 0 at the peer's end, -1 with errno (EAGAIN
// when `wait` is 0 and nothing is there). `sender` (may be NULL) becomes the sender's pid where the socket passes credentials.
int wire_receive(int fd, struct sk_message *message, int *fds, int *count, pid_t *sender, int wait);

void wire_close(int *fds, int count);
