#include "SkNetlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// Every request of this file fits; a request that would not is refused by `put`.
enum { REQUEST_SIZE = 2048, ANSWER_SIZE = 32768 };

// IF_OPER_UP of linux/if.h, which cannot be included beside net/if.h.
enum { OPERATIONAL = 6 };

struct request {
  _Alignas(4) char bytes[REQUEST_SIZE];
  size_t size;
  struct nlmsghdr *message;
  int messages;
  int failed;
};

static void *extend(struct request *request, size_t size) {
  size_t aligned = NLMSG_ALIGN(size);
  if (request->failed || request->size + aligned > sizeof request->bytes) {
    request->failed = 1;
    return request->bytes;
  }
  void *place = request->bytes + request->size;
  memset(place, 0, aligned);
  request->size += aligned;
  if (request->message) request->message->nlmsg_len = (uint32_t)((char *)place + aligned - (char *)request->message);
  return place;
}

static void begin(struct request *request, struct sk_netlink *netlink, uint16_t type, uint16_t flags, const void *header, size_t size) {
  request->message = NULL;
  struct nlmsghdr *message = extend(request, sizeof *message);
  if (request->failed) return;
  message->nlmsg_len = sizeof *message;
  message->nlmsg_type = type;
  message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
  message->nlmsg_seq = ++netlink->sequence;
  request->message = message;
  request->messages++;
  void *place = extend(request, size);
  if (!request->failed) memcpy(place, header, size);
}

static struct rtattr *put(struct request *request, uint16_t type, const void *value, size_t size) {
  struct rtattr *attribute = extend(request, RTA_LENGTH(size));
  if (request->failed) return NULL;
  attribute->rta_type = type;
  attribute->rta_len = (uint16_t)RTA_LENGTH(size);
  if (size) memcpy(RTA_DATA(attribute), value, size);
  return attribute;
}

static void put_u8(struct request *request, uint16_t type, uint8_t value) { put(request, type, &value, sizeof value); }

static void put_u32(struct request *request, uint16_t type, uint32_t value) { put(request, type, &value, sizeof value); }
static void put_text(struct request *request, uint16_t type, const char *text) { put(request, type, text, strlen(text) + 1); }

static struct rtattr *nest(struct request *request, uint16_t type) { return put(request, type, NULL, 0); }
static void unnest(struct request *request, struct rtattr *attribute) {
  if (attribute) attribute->rta_len = (uint16_t)(request->bytes + request->size - (char *)attribute);
}

static void explain(struct sk_netlink *netlink, const struct nlmsghdr *message) {
  const struct nlmsgerr *error = NLMSG_DATA(message);
  if (!(message->nlmsg_flags & NLM_F_ACK_TLVS)) return;
  size_t skip = sizeof *error;
  if (!(message->nlmsg_flags & NLM_F_CAPPED)) skip += error->msg.nlmsg_len - sizeof error->msg;
  if (NLMSG_HDRLEN + NLMSG_ALIGN(skip) > message->nlmsg_len) return;
  const struct rtattr *attribute = (const void *)((const char *)error + NLMSG_ALIGN(skip));
  int left = (int)(message->nlmsg_len - NLMSG_HDRLEN - NLMSG_ALIGN(skip));
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type != NLMSGERR_ATTR_MSG) continue;
    size_t size = RTA_PAYLOAD(attribute);
    if (size >= sizeof netlink->explanation) size = sizeof netlink->explanation - 1;
    memcpy(netlink->explanation, RTA_DATA(attribute), size);
    netlink->explanation[size] = 0;
  }
}

typedef void each_message(void *context, const struct nlmsghdr *message);

// Sends all messages of a request at once and reads one answer to each, or all parts of a dump. Answers of earlier requests that
// failed half way are passed over by their sequence numbers. Returns the first error.
static int exchange(struct sk_netlink *netlink, struct request *request, each_message *each, void *context) {
  netlink->explanation[0] = 0;
  if (request->failed) return -EMSGSIZE;
  uint32_t first = netlink->sequence - (uint32_t)request->messages + 1;
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  ssize_t sent;
  do sent = sendto(netlink->fd, request->bytes, request->size, MSG_NOSIGNAL, (struct sockaddr *)&kernel, sizeof kernel);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) return -errno;
  int result = 0, answers = 0;
  while (answers < request->messages) {
    _Alignas(8) char bytes[ANSWER_SIZE];
    ssize_t received = recv(netlink->fd, bytes, sizeof bytes, MSG_TRUNC);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return -errno;
    if ((size_t)received > sizeof bytes) return -ENOBUFS;
    int left = (int)received;
    for (struct nlmsghdr *message = (void *)bytes; NLMSG_OK(message, (unsigned)left); message = NLMSG_NEXT(message, left)) {
      if ((int32_t)(message->nlmsg_seq - first) < 0) continue;
      if (message->nlmsg_type == NLMSG_DONE) {
        answers++;
      } else if (message->nlmsg_type == NLMSG_ERROR) {
        answers++;
        int error = ((struct nlmsgerr *)NLMSG_DATA(message))->error;
        if (error && !result) {
          result = error;
          explain(netlink, message);
        }
      } else if (each) {
        each(context, message);
      }
    }
  }
  return result;
}

int sk_netlink_open(struct sk_netlink *netlink) {
  memset(netlink, 0, sizeof *netlink);
  netlink->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (netlink->fd < 0) return -errno;
  int on = 1;
  setsockopt(netlink->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(netlink->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  return 0;
}

int sk_netlink_open_in(struct sk_netlink *netlink, int network_namespace) {
  int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (own < 0) return -errno;
  if (setns(network_namespace, CLONE_NEWNET) < 0) {
    int error = errno;
    close(own);
    return -error;
  }
  int result = sk_netlink_open(netlink);
  if (setns(own, CLONE_NEWNET) < 0) abort();
  close(own);
  return result;
}

int sk_network_namespace_new(void) {
  int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (own < 0) return -errno;
  int made = unshare(CLONE_NEWNET) < 0 ? -errno : open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (made == -1) made = -errno;
  if (setns(own, CLONE_NEWNET) < 0) abort();
  close(own);
  return made;
}

int sk_network_namespace_enter(int network_namespace) { return setns(network_namespace, CLONE_NEWNET) < 0 ? -errno : 0; }

void sk_netlink_close(struct sk_netlink *netlink) {
  if (netlink->fd >= 0) close(netlink->fd);
  netlink->fd = -1;
}

const char *sk_netlink_explanation(const struct sk_netlink *netlink) { return netlink->explanation; }

struct measures {
  int index;
  int mtu;
  uint8_t state;
};

static void read_measures(void *context, const struct nlmsghdr *message) {
  struct measures *measures = context;
  if (message->nlmsg_type != RTM_NEWLINK) return;
  const struct ifinfomsg *header = NLMSG_DATA(message);
  measures->index = header->ifi_index;
  int left = (int)IFLA_PAYLOAD(message);
  for (const struct rtattr *attribute = IFLA_RTA(header); RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type == IFLA_MTU) memcpy(&measures->mtu, RTA_DATA(attribute), sizeof measures->mtu);
    if (attribute->rta_type == IFLA_OPERSTATE) memcpy(&measures->state, RTA_DATA(attribute), sizeof measures->state);
  }
}

// Looks for a link by name, or by index without one.
static int measure(struct sk_netlink *netlink, const char *name, int index, struct measures *measures) {
  struct request request = {0};
  struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_index = index};
  begin(&request, netlink, RTM_GETLINK, NLM_F_ACK, &link, sizeof link);
  if (name) put_text(&request, IFLA_IFNAME, name);
  put_u32(&request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  memset(measures, 0, sizeof *measures);
  int result = exchange(netlink, &request, read_measures, measures);
  return result ? result : measures->index ? 0 : -ENODEV;
}

int sk_link_index(struct sk_netlink *netlink, const char *name) {
  struct measures measures;
  int result = measure(netlink, name, 0, &measures);
  return result ? result : measures.index;
}

int sk_link_mtu(struct sk_netlink *netlink, const char *name) {
  struct measures measures;
  int result = measure(netlink, name, 0, &measures);
  return result ? result : measures.mtu;
}

int sk_link_delete(struct sk_netlink *netlink, const char *name) {
  struct request request = {0};
  struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
  begin(&request, netlink, RTM_DELLINK, NLM_F_ACK, &link, sizeof link);
  put_text(&request, IFLA_IFNAME, name);
  return exchange(netlink, &request, NULL, NULL);
}

static void up(struct request *request, struct sk_netlink *netlink, int index) {
  struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  begin(request, netlink, RTM_NEWLINK, NLM_F_ACK, &link, sizeof link);
}

int sk_link_up(struct sk_netlink *netlink, int index) {
  struct request request = {0};
  up(&request, netlink, index);
  return exchange(netlink, &request, NULL, NULL);
}

int sk_link_await(struct sk_netlink *netlink, int index) {
  struct timespec began, now;
  clock_gettime(CLOCK_MONOTONIC, &began);
  int group = RTNLGRP_LINK, result, watching = 0;
  for (;;) {
    struct measures measures;
    result = measure(netlink, NULL, index, &measures);
    if (result || measures.state == OPERATIONAL) break;
    if (!watching) {
      if (setsockopt(netlink->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) return -errno;
      watching = 1;
      continue;  // it may have come up meanwhile
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    long left = 1000 - (now.tv_sec - began.tv_sec) * 1000 - (now.tv_nsec - began.tv_nsec) / 1000000;
    struct pollfd readable = {.fd = netlink->fd, .events = POLLIN};
    int ready = left > 0 ? poll(&readable, 1, (int)left) : 0;
    if (ready == 0) {
      result = -ETIMEDOUT;
      break;
    }
    char passed_over[8192];  // only that something happened matters, so an overflow is no loss
    if (ready > 0) recv(netlink->fd, passed_over, sizeof passed_over, MSG_DONTWAIT);
  }
  if (watching) setsockopt(netlink->fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof group);
  return result;
}

int sk_bridge_add(struct sk_netlink *netlink, const char *name, const uint8_t hardware_address[6], uint32_t mtu) {
  struct request request = {0};
  struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  begin(&request, netlink, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &link, sizeof link);
  put_text(&request, IFLA_IFNAME, name);
  put(&request, IFLA_ADDRESS, hardware_address, 6);
  put_u32(&request, IFLA_MTU, mtu);
  struct rtattr *information = nest(&request, IFLA_LINKINFO);
  put_text(&request, IFLA_INFO_KIND, "bridge");
  struct rtattr *data = nest(&request, IFLA_INFO_DATA);
  put_u32(&request, IFLA_BR_STP_STATE, 0);
  put_u32(&request, IFLA_BR_FORWARD_DELAY, 0);
  put_u8(&request, IFLA_BR_MCAST_SNOOPING, 0);
  unnest(&request, data);
  unnest(&request, information);
  return exchange(netlink, &request, NULL, NULL);
}

static void address(struct request *request, struct sk_netlink *netlink, int index, uint32_t address, uint8_t prefix_length) {
  struct ifaddrmsg header = {.ifa_family = AF_INET, .ifa_prefixlen = prefix_length, .ifa_index = (uint32_t)index};
  begin(request, netlink, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, &header, sizeof header);
  put_u32(request, IFA_LOCAL, address);
  put_u32(request, IFA_ADDRESS, address);
  uint32_t broadcast = prefix_length < 31 ? address | htonl(0xffffffffu >> prefix_length) : address;
  put_u32(request, IFA_BROADCAST, broadcast);
}

int sk_address_add(struct sk_netlink *netlink, int index, uint32_t ipv4, uint8_t prefix_length) {
  struct request request = {0};
  address(&request, netlink, index, ipv4, prefix_length);
  return exchange(netlink, &request, NULL, NULL);
}

static void neighbour(
    struct request *request, struct sk_netlink *netlink, int index, uint32_t ipv4, const uint8_t hardware_address[6]) {
  struct ndmsg header = {.ndm_family = AF_INET, .ndm_ifindex = index, .ndm_state = NUD_PERMANENT};
  begin(request, netlink, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, &header, sizeof header);
  put_u32(request, NDA_DST, ipv4);
  put(request, NDA_LLADDR, hardware_address, 6);
}

static void veth_create(struct request *request, struct sk_netlink *netlink, const struct sk_veth *veth) {
  struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  begin(request, netlink, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &link, sizeof link);
  put_text(request, IFLA_IFNAME, veth->name);
  put_u32(request, IFLA_MTU, veth->mtu);
  put_u32(request, IFLA_MASTER, (uint32_t)veth->bridge);
  struct rtattr *information = nest(request, IFLA_LINKINFO);
  put_text(request, IFLA_INFO_KIND, "veth");
  struct rtattr *data = nest(request, IFLA_INFO_DATA);
  struct rtattr *peer = nest(request, VETH_INFO_PEER);
  struct ifinfomsg peer_link = {.ifi_family = AF_UNSPEC};
  void *place = extend(request, sizeof peer_link);
  if (!request->failed) memcpy(place, &peer_link, sizeof peer_link);
  put_text(request, IFLA_IFNAME, veth->peer);
  put_u32(request, IFLA_MTU, veth->mtu);
  put_u32(request, IFLA_NET_NS_FD, (uint32_t)veth->network_namespace);
  put(request, IFLA_ADDRESS, veth->peer_hardware_address, 6);
  unnest(request, peer);
  unnest(request, data);
  unnest(request, information);
}

// What a port can only be given once it exists: its alias, and that it neither learns nor floods to where no one is.
static void port(struct request *request, struct sk_netlink *netlink, const struct sk_veth *veth) {
  struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
  begin(request, netlink, RTM_NEWLINK, NLM_F_ACK, &link, sizeof link);
  put_text(request, IFLA_IFNAME, veth->name);
  put(request, IFLA_IFALIAS, veth->alias, strnlen(veth->alias, 255));
  struct rtattr *information = nest(request, IFLA_LINKINFO);
  put_text(request, IFLA_INFO_SLAVE_KIND, "bridge");
  struct rtattr *data = nest(request, IFLA_INFO_SLAVE_DATA);
  put_u8(request, IFLA_BRPORT_LEARNING, 0);
  put_u8(request, IFLA_BRPORT_UNICAST_FLOOD, 0);
  put_u8(request, IFLA_BRPORT_ISOLATED, veth->isolated);
  unnest(request, data);
  unnest(request, information);
}

int sk_veth_add(struct sk_netlink *netlink, const struct sk_veth *veth) {
  struct request request = {0};
  veth_create(&request, netlink, veth);
  port(&request, netlink, veth);
  int result = exchange(netlink, &request, NULL, NULL);
  if (result) return result;
  int index = sk_link_index(netlink, veth->name);
  if (index < 0) return index;
  struct request fixed = {0};
  struct ndmsg forwarding = {.ndm_family = AF_BRIDGE, .ndm_ifindex = index, .ndm_state = NUD_NOARP, .ndm_flags = NTF_MASTER};
  begin(&fixed, netlink, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, &forwarding, sizeof forwarding);
  put(&fixed, NDA_LLADDR, veth->peer_hardware_address, 6);
  neighbour(&fixed, netlink, veth->bridge, veth->peer_address, veth->peer_hardware_address);
  result = exchange(netlink, &fixed, NULL, NULL);
  return result ? result : index;
}

int sk_neighbour_delete(struct sk_netlink *netlink, int bridge, uint32_t ipv4) {
  struct request request = {0};
  struct ndmsg header = {.ndm_family = AF_INET, .ndm_ifindex = bridge};
  begin(&request, netlink, RTM_DELNEIGH, NLM_F_ACK, &header, sizeof header);
  put_u32(&request, NDA_DST, ipv4);
  return exchange(netlink, &request, NULL, NULL);
}

int sk_inside_configure(struct sk_netlink *netlink, const struct sk_inside *inside) {
  int index = sk_link_index(netlink, inside->link);
  if (index < 0) return index;
  struct request request = {0};
  up(&request, netlink, 1);
  address(&request, netlink, index, inside->address, inside->prefix_length);
  up(&request, netlink, index);
  neighbour(&request, netlink, index, inside->gateway, inside->gateway_hardware_address);
  struct rtmsg route = {
      .rtm_family = AF_INET,
      .rtm_table = RT_TABLE_MAIN,
      .rtm_protocol = RTPROT_STATIC,
      .rtm_scope = RT_SCOPE_UNIVERSE,
      .rtm_type = RTN_UNICAST,
  };
  begin(&request, netlink, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, &route, sizeof route);
  put_u32(&request, RTA_GATEWAY, inside->gateway);
  put_u32(&request, RTA_OIF, (uint32_t)index);
  int result = exchange(netlink, &request, NULL, NULL);
  if (!result) result = sk_link_await(netlink, index);
  return result ? result : index;
}

int sk_link_shape(struct sk_netlink *netlink, int index, uint64_t bytes_per_second, uint32_t burst, uint32_t queue) {
  struct request request = {0};
  struct tcmsg header = {.tcm_family = AF_UNSPEC, .tcm_ifindex = index, .tcm_parent = TC_H_ROOT};
  if (bytes_per_second == 0) {
    begin(&request, netlink, RTM_DELQDISC, NLM_F_ACK, &header, sizeof header);
    int result = exchange(netlink, &request, NULL, NULL);
    return result == -ENOENT || result == -EINVAL ? 0 : result;
  }
  struct tc_tbf_qopt options = {.limit = queue};
  options.rate.rate = bytes_per_second > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes_per_second;
  options.rate.linklayer = TC_LINKLAYER_ETHERNET;
  // The kernel keeps a bucket as the time that it takes to fill, in ticks of 64 ns.
  double ticks = (double)burst / (double)bytes_per_second * 1e9 / 64;
  options.buffer = ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks;
  begin(&request, netlink, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, &header, sizeof header);
  put_text(&request, TCA_KIND, "tbf");
  struct rtattr *nested = nest(&request, TCA_OPTIONS);
  put(&request, TCA_TBF_PARMS, &options, sizeof options);
  if (bytes_per_second > UINT32_MAX) put(&request, TCA_TBF_RATE64, &bytes_per_second, sizeof bytes_per_second);
  put_u32(&request, TCA_TBF_BURST, burst);
  unnest(&request, nested);
  return exchange(netlink, &request, NULL, NULL);
}

struct ports {
  int bridge;
  void (*each)(void *context, const struct sk_link *link);
  void *context;
};

static void copy_text(char *to, size_t size, const struct rtattr *attribute) {
  size_t length = strnlen(RTA_DATA(attribute), RTA_PAYLOAD(attribute));
  if (length >= size) length = size - 1;
  memcpy(to, RTA_DATA(attribute), length);
  to[length] = 0;
}

static void read_port(void *context, const struct nlmsghdr *message) {
  struct ports *ports = context;
  if (message->nlmsg_type != RTM_NEWLINK) return;
  const struct ifinfomsg *header = NLMSG_DATA(message);
  struct sk_link link = {.index = header->ifi_index};
  int left = (int)IFLA_PAYLOAD(message);
  for (const struct rtattr *attribute = IFLA_RTA(header); RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type == IFLA_IFNAME) copy_text(link.name, sizeof link.name, attribute);
    if (attribute->rta_type == IFLA_IFALIAS) copy_text(link.alias, sizeof link.alias, attribute);
    if (attribute->rta_type == IFLA_MASTER) memcpy(&link.master, RTA_DATA(attribute), sizeof link.master);
  }
  if (link.master == ports->bridge) ports->each(ports->context, &link);
}

int sk_bridge_ports(struct sk_netlink *netlink, int bridge, void (*each)(void *context, const struct sk_link *link), void *context) {
  struct request request = {0};
  struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
  begin(&request, netlink, RTM_GETLINK, NLM_F_DUMP, &header, sizeof header);
  put_u32(&request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  put_u32(&request, IFLA_MASTER, (uint32_t)bridge);
  struct ports ports = {bridge, each, context};
  return exchange(netlink, &request, read_port, &ports);
}

struct neighbours {
  int index;
  void (*each)(void *context, uint32_t address);
  void *context;
};

static void read_neighbour(void *context, const struct nlmsghdr *message) {
  struct neighbours *neighbours = context;
  if (message->nlmsg_type != RTM_NEWNEIGH) return;
  const struct ndmsg *header = NLMSG_DATA(message);
  if (header->ndm_ifindex != neighbours->index || header->ndm_family != AF_INET || header->ndm_state != NUD_PERMANENT) return;
  const struct rtattr *attribute = (const void *)((const char *)header + NLMSG_ALIGN(sizeof *header));
  int left = (int)NLMSG_PAYLOAD(message, sizeof *header);
  for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type != NDA_DST || RTA_PAYLOAD(attribute) != 4) continue;
    uint32_t ipv4;
    memcpy(&ipv4, RTA_DATA(attribute), sizeof ipv4);
    neighbours->each(neighbours->context, ipv4);
  }
}

int sk_neighbours(struct sk_netlink *netlink, int index, void (*each)(void *context, uint32_t address), void *context) {
  struct request request = {0};
  struct ndmsg header = {.ndm_family = AF_INET};
  begin(&request, netlink, RTM_GETNEIGH, NLM_F_DUMP, &header, sizeof header);
  struct neighbours neighbours = {index, each, context};
  return exchange(netlink, &request, read_neighbour, &neighbours);
}
