/// Limits of a container: `linux.resources` of a bundle, and what `update` reads.
package struct Resources: Codable, Sendable {
    package var devices: [DeviceRule]?
    package var memory: Memory?
    package var cpu: CPU?
    package var pids: Pids?
    package var blockIO: BlockIO?
    package var hugepageLimits: [HugepageLimit]?
    package var network: Network?
    package var rdma: [String: RDMALimit]?
    /// Files of cgroup v2 and what is written into them.
    package var unified: [String: String]?

    package init() {}

    package struct DeviceRule: Codable, Sendable {
        package var allow: Bool
        package var type: String?
        package var major: Int64?
        package var minor: Int64?
        package var access: String?
    }

    /// Bytes; -1 means without limit.
    package struct Memory: Codable, Sendable {
        package var limit: Int64?
        package var reservation: Int64?
        /// Memory and swap together.
        package var swap: Int64?
        package var kernel: Int64?
        package var kernelTCP: Int64?
        package var swappiness: UInt64?
        package var disableOOMKiller: Bool?
        package var useHierarchy: Bool?
        package var checkBeforeUpdate: Bool?

        package init() {}
    }

    package struct CPU: Codable, Sendable {
        package var shares: UInt64?
        /// Microseconds.
        package var quota: Int64?
        package var burst: UInt64?
        package var period: UInt64?
        package var realtimeRuntime: Int64?
        package var realtimePeriod: UInt64?
        package var cpus: String?
        package var mems: String?
        package var idle: Int64?

        package init() {}
    }

    package struct Pids: Codable, Sendable {
        package var limit: Int64?

        package init(limit: Int64?) { self.limit = limit }
    }

    package struct BlockIO: Codable, Sendable {
        package var weight: UInt16?
        package var leafWeight: UInt16?
        package var weightDevice: [WeightDevice]?
        package var throttleReadBpsDevice: [ThrottleDevice]?
        package var throttleWriteBpsDevice: [ThrottleDevice]?
        package var throttleReadIOPSDevice: [ThrottleDevice]?
        package var throttleWriteIOPSDevice: [ThrottleDevice]?

        package init() {}
    }

    package struct WeightDevice: Codable, Sendable {
        package var major: Int64
        package var minor: Int64
        package var weight: UInt16?
        package var leafWeight: UInt16?
    }

    package struct ThrottleDevice: Codable, Sendable {
        package var major: Int64
        package var minor: Int64
        package var rate: UInt64
    }

    package struct HugepageLimit: Codable, Sendable {
        package var pageSize: String
        package var limit: UInt64
    }

    package struct Network: Codable, Sendable {
        package var classID: UInt32?
        package var priorities: [Priority]?
    }

    package struct Priority: Codable, Sendable {
        package var name: String
        package var priority: UInt32
    }

    package struct RDMALimit: Codable, Sendable {
        package var hcaHandles: UInt32?
        package var hcaObjects: UInt32?
    }
}
