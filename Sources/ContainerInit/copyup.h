#pragma once

// Copies what the directory `from` holds into the directory `to`, with owners, modes, links and extended attributes; what is mounted
// below is left out. -1 with errno.
int copy_up(int from, int to);
