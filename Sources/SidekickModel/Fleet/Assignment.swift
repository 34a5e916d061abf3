/// Identifies one replica in the fleet, for ever: a number the controller's store hands out and never uses twice.
package struct ReplicaID: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    package var number: Int64

    package init(_ number: Int64) { self.number = number }
    package static func < (a: ReplicaID, b: ReplicaID) -> Bool { a.number < b.number }
    package var description: String { "r\(number)" }

    package init(from decoder: any Decoder) throws { number = try decoder.singleValueContainer().decode(Int64.self) }
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(number)
    }
}

/// Where the controller wants a replica: on a rung, or gone.
package enum DesiredState: Hashable, Sendable, Codable {
    case rung(Rung)
    /// Drained, stopped and removed.
    case removed
}

/// Text form: the rung's name, or `removed`.
extension DesiredState: CustomStringConvertible {
    package var description: String {
        switch self {
        case .rung(let rung): rung.rawValue
        case .removed: "removed"
        }
    }

    package init?(text: String) {
        if let rung = Rung(rawValue: text) {
            self = .rung(rung)
        } else if text == "removed" {
            self = .removed
        } else {
            return nil
        }
    }

    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let value = DesiredState(text: text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "‘\(text)’ is neither a rung nor ‘removed’"))
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// The controller's order to a host about one replica.
package struct Assignment: Hashable, Sendable, Codable {
    package var replica: ReplicaID
    package var service: String
    /// May rise together with `generation` for a replica that runs: when a new revision changes only how replicas are treated (`replicas`,
    /// `scale`, `rollout`, `stop`, `ingress`), the replica belongs to it from then on and goes on running under the new spec.
    package var revision: Int
    /// Rises with every change of this replica's order; an agent ignores one not above what it has.
    package var generation: Int64
    package var desired: DesiredState
    /// The revision's full spec: what to run and how to probe and stop it.
    package var spec: ServiceSpec
    /// Digest (`sha256:…`) of the image manifest that `spec.image` meant when the revision was made.
    package var imageDigest: String

    package init(
        replica: ReplicaID, service: String, revision: Int, generation: Int64, desired: DesiredState, spec: ServiceSpec,
        imageDigest: String
    ) {
        self.replica = replica
        self.service = service
        self.revision = revision
        self.generation = generation
        self.desired = desired
        self.spec = spec
        self.imageDigest = imageDigest
    }
}

/// How many of a service's requests go to replicas of one revision.
package struct RevisionShare: Hashable, Sendable, Codable {
    package var revision: Int
    /// 0-100. Revisions without a share have the rest together.
    package var percent: Int

    package init(revision: Int, percent: Int) {
        self.revision = revision
        self.percent = percent
    }
}

/// What every host's gateway must know of a service even when it has no replica: how to route to it and how to hold.
package struct ServiceRoute: Hashable, Sendable, Codable {
    package var service: String
    /// Rises with every change of the service's routing; an older one is ignored.
    package var generation: Int64
    package var ingress: [IngressRule]
    /// Requests one replica gets at once; nil means no limit is declared.
    package var concurrency: Int?
    package var holdDeadline: Milliseconds
    package var holdLimit: Int
    /// The most replicas that may be online; a host's own wakes respect it.
    package var maxOnline: Int
    /// The revision that wakes prefer (the newest one known to be good).
    package var revision: Int
    /// Gateways of hosts that have replicas of the service, the receiver's own among them. nil while the controller does not know: the
    /// receiver keeps those it was told before.
    package var peers: [RoutePeer]?
    /// nil: a request goes to whichever replica has the fewest.
    package var shares: [RevisionShare]?

    package init(
        service: String, generation: Int64, ingress: [IngressRule], concurrency: Int?, holdDeadline: Milliseconds,
        holdLimit: Int, maxOnline: Int, revision: Int, shares: [RevisionShare]? = nil
    ) {
        self.service = service
        self.generation = generation
        self.ingress = ingress
        self.concurrency = concurrency
        self.holdDeadline = holdDeadline
        self.holdLimit = holdLimit
        self.maxOnline = maxOnline
        self.revision = revision
        self.shares = shares
    }
}
