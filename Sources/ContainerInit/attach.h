#pragma once
#include <stddef.h>
#include <stdint.h>

// Whoever is attached to the container: is sent its output from now on, and may type its input. A client is a SOCK_SEQPACKET socket; what
// it gets are packets of the stream's number (1 or 2) and bytes, what it sends are bytes for the program. A client that takes nothing
// holds the output up for some seconds and is then let go.

enum { most_clients = 4 };

// Clients are told apart by `tag` + their number in events of `epoll`; events of the input carry `tag` + most_clients.
void attach_open(int epoll, uint64_t tag);

// Where what clients type goes: a descriptor that becomes ours and does not block. `ends`: a client's end of input ends it too.
void attach_input(int fd, int ends);

void attach_add(int socket);

// Sends clients what was read from a stream. Not to be called while `attach_is_behind`.
void attach_tell(int stream, const char *text, size_t length);

// Whether a client has not yet taken what it was sent: then no more output is to be read.
int attach_is_behind(void);

// Milliseconds until `attach_expire` is due, -1 when it is not.
int attach_patience(void);

// Lets go of clients that took nothing for too long.
void attach_expire(void);

void attach_handle(uint64_t number, uint32_t events);

// Sends what is still to be sent, waiting a second at most: nothing comes after.
void attach_flush(void);
