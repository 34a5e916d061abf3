import SidekickModel

/// Which service a host and a path belong to. Immutable: each change makes a new one, which the loops take over.
final class RouteTable: Sendable {
    private struct Rule: Sendable {
        var path: [UInt8]
        var service: ServiceEntry
    }

    private struct Host: Sendable {
        var name: [UInt8]
        /// Known only to those whom `ConnectionScope` lets use such names.
        var isInternal: Bool
        /// Longest path first.
        var rules: [Rule]
    }

    static let empty = RouteTable([])

    private let hosts: [Host]
    /// Open addressing: indices into `hosts`, -1 where free; a power of two in size.
    private let buckets: [Int32]
    private let anyHost: [Rule]

    /// Of two services with one host and path the one first in order of name has it.
    init(_ services: [(route: ServiceRoute, entry: ServiceEntry)]) {
        var byHost: [String: [Rule]] = [:]
        for (route, entry) in services.sorted(by: { $0.route.service < $1.route.service }) {
            byHost[route.service + InternalName.suffix, default: []].append(Rule(path: Array("/".utf8), service: entry))
            for rule in route.ingress {
                byHost[rule.host.lowercased(), default: []].append(Rule(path: Array(rule.path.utf8), service: entry))
            }
        }
        func ordered(_ rules: [Rule]) -> [Rule] {
            rules.enumerated().sorted { ($1.element.path.count, $0.offset) < ($0.element.path.count, $1.offset) }.map(\.element)
        }
        anyHost = ordered(byHost.removeValue(forKey: "*") ?? [])
        hosts = byHost.sorted { $0.key < $1.key }.map { name, rules in
            Host(name: Array(name.utf8), isInternal: name.hasSuffix(InternalName.suffix), rules: ordered(rules))
        }
        var buckets = [Int32](repeating: -1, count: max(4, (hosts.count * 2 + 1).nextPowerOfTwo))
        for (index, host) in hosts.enumerated() {
            var place = Int(host.name.withUnsafeBytes { Self.hash($0) }) & (buckets.count - 1)
            while buckets[place] >= 0 { place = (place + 1) & (buckets.count - 1) }
            buckets[place] = Int32(index)
        }
        self.buckets = buckets
    }

    /// The service for an authority (name and optional port) and a path with optional query.
    /// - Parameter routesInternalNames: asked only when the name is an internal one.
    func service(
        authority: UnsafeRawBufferPointer, path: UnsafeRawBufferPointer, routesInternalNames: () -> Bool
    ) -> ServiceEntry? {
        let name = Self.withoutPort(authority)
        if let place = host(name), !hosts[place].isInternal || routesInternalNames(),
            let service = Self.match(hosts[place].rules, path)
        {
            return service
        }
        return Self.match(anyHost, path)
    }

    /// Where it is in `hosts`.
    private func host(_ name: UnsafeRawBufferPointer) -> Int? {
        var place = Int(Self.hash(name)) & (buckets.count - 1)
        while buckets[place] >= 0 {
            let index = Int(buckets[place])
            if hosts[index].name.count == name.count, Self.equal(hosts[index].name, name) { return index }
            place = (place + 1) & (buckets.count - 1)
        }
        return nil
    }

    private static func match(_ rules: [Rule], _ path: UnsafeRawBufferPointer) -> ServiceEntry? {
        for rule in rules where matches(rule.path, path) { return rule.service }
        return nil
    }

    /// Whether `prefix` ends at a `/` boundary of the path, or at its end.
    private static func matches(_ prefix: [UInt8], _ path: UnsafeRawBufferPointer) -> Bool {
        if prefix.count == 1 { return true }
        guard path.count >= prefix.count else { return false }
        for index in 0..<prefix.count where path[index] != prefix[index] { return false }
        if path.count == prefix.count || prefix[prefix.count - 1] == 0x2F { return true }
        return path[prefix.count] == 0x2F || path[prefix.count] == 0x3F
    }

    private static func withoutPort(_ authority: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var end = authority.count
        while end > 0, authority[end - 1] &- 0x30 < 10 { end -= 1 }
        guard end > 0, authority[end - 1] == 0x3A else { return authority }
        return UnsafeRawBufferPointer(rebasing: authority[..<(end - 1)])
    }

    @inline(__always) private static func lower(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    private static func equal(_ name: [UInt8], _ bytes: UnsafeRawBufferPointer) -> Bool {
        for index in 0..<name.count where name[index] != lower(bytes[index]) { return false }
        return true
    }

    /// FNV-1a over the lowercased name.
    private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var hash: UInt32 = 2_166_136_261
        for byte in bytes { hash = (hash ^ UInt32(lower(byte))) &* 16_777_619 }
        return hash ^ (hash >> 15)
    }
}

extension Int {
    fileprivate var nextPowerOfTwo: Int { self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount) }
}
