/// Another host's gateway, as one service sees it: where requests may go that no replica of one's own host can serve.
package struct RoutePeer: Hashable, Sendable, Codable {
    package var host: String
    /// `address:port` where that host's gateway takes requests of other gateways.
    package var address: String
    /// The host's label `zone`, empty without one: peers of one's own zone are nearer.
    package var zone: String
    /// Replicas there that get requests. Rough above 8, so that it seldom changes: see `rounded`.
    package var online: Int
    /// Replicas there that the host can bring online without asking, or is bringing online. Rough like `online`.
    package var standby: Int

    package init(host: String, address: String, zone: String = "", online: Int, standby: Int) {
        self.host = host
        self.address = address
        self.zone = zone
        self.online = online
        self.standby = standby
    }

    /// A count as peers are told it: exact up to 8, then the power of two below, so that 11 is told as 8 and 40 as 32.
    package static func rounded(_ count: Int) -> Int {
        count <= 8 ? max(0, count) : 1 << (Int.bitWidth - 1 - count.leadingZeroBitCount)
    }
}
