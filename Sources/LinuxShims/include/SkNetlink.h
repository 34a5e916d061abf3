#pragma once
// Links, addresses, routes and queueing through rtnetlink. Each function sends what it says and reads the kernel's answers; it returns 0
// or a negative errno. Addresses are in network byte order.
#include <net/if.h>
#include <stdint.h>

/// A socket of the kernel's routing family. Not to be used by two threads at once.
struct sk_netlink {
  int fd;
  uint32_t sequence;
  /// What the kernel said about the last refusal; empty when it said nothing.
  char explanation[120];
};

/// Opens a socket in the calling thread's network namespace.
int sk_netlink_open(struct sk_netlink *netlink);
/// Opens a socket in the network namespace of an open /proc/PID/ns/net. The calling thread is back in its own when this returns; if the
/// kernel refuses the way back, the process is aborted, since the thread could only do harm.
int sk_netlink_open_in(struct sk_netlink *netlink, int network_namespace);
void sk_netlink_close(struct sk_netlink *netlink);
/// The last refusal's explanation.
const char *sk_netlink_explanation(const struct sk_netlink *netlink);

/// Index of a link, or a negative errno.
int sk_link_index(struct sk_netlink *netlink, const char *name);
/// Largest packet of a link, or a negative errno.
int sk_link_mtu(struct sk_netlink *netlink, const char *name);
int sk_link_delete(struct sk_netlink *netlink, const char *name);
int sk_link_up(struct sk_netlink *netlink, int index);
/// Returns once packets pass: a link that is up with carrier still drops them, and a bridge its port's, until the kernel's link watch has
/// run. -ETIMEDOUT after a second.
int sk_link_await(struct sk_netlink *netlink, int index);

/// Makes a bridge without spanning tree, delay or multicast snooping, with that Ethernet address, and sets it up.
int sk_bridge_add(struct sk_netlink *netlink, const char *name, const uint8_t hardware_address[6], uint32_t mtu);
int sk_address_add(struct sk_netlink *netlink, int index, uint32_t address, uint8_t prefix_length);

/// A veth pair: one end up on a bridge here, the other as `peer` in another namespace.
struct sk_veth {
  char name[IFNAMSIZ];
  char peer[IFNAMSIZ];
  /// At most 255 bytes, kept with the end here.
  const char *alias;
  int network_namespace;
  int bridge;
  uint32_t mtu;
  uint8_t peer_hardware_address[6];
  /// The peer's address, fixed in the bridge's forwarding table and neighbour list so that no one else on the bridge can claim it.
  uint32_t peer_address;
  /// Whether this port may not exchange frames with other isolated ports of the bridge.
  uint8_t isolated;
};
int sk_veth_add(struct sk_netlink *netlink, const struct sk_veth *veth);
/// Forgets the neighbour that `sk_veth_add` fixed.
int sk_neighbour_delete(struct sk_netlink *netlink, int bridge, uint32_t address);

/// Configures a namespace's inside: `lo` up, then `link` with address and default route.
struct sk_inside {
  char link[IFNAMSIZ];
  uint32_t address;
  uint32_t gateway;
  uint8_t gateway_hardware_address[6];
  uint8_t prefix_length;
};
int sk_inside_configure(struct sk_netlink *netlink, const struct sk_inside *inside);

/// Shapes what leaves through a link by a token bucket. 0 removes it.
int sk_link_shape(struct sk_netlink *netlink, int index, uint64_t bytes_per_second, uint32_t burst, uint32_t queue);

struct sk_link {
  int index;
  /// The bridge it is a port of, 0 for none.
  int master;
  char name[IFNAMSIZ];
  char alias[256];
};
/// Calls `each` for every link that is a port of that bridge.
int sk_bridge_ports(struct sk_netlink *netlink, int bridge, void (*each)(void *context, const struct sk_link *link), void *context);
/// Calls `each` for every fixed IPv4 neighbour of that link.
int sk_neighbours(struct sk_netlink *netlink, int index, void (*each)(void *context, uint32_t address), void *context);

/// A descriptor of a new network namespace, which lives as long as something refers to it; or a negative errno.
int sk_network_namespace_new(void);
/// Moves the calling thread into a network namespace.
int sk_network_namespace_enter(int network_namespace);
