/// What an operator declares of one service; its JSON form has the same keys as the YAML spec file.
///
/// Reading a file (positions, unknown keys, defaults) and validating it is `SpecReader`'s work; this type holds a spec
/// that is already complete, every default filled in.
package struct ServiceSpec: Hashable, Sendable, Codable {
    /// 1-40 characters of `a-z`, `0-9` and `-`, starting with a letter, not ending with `-`.
    package var service: String
    /// The image reference, such as `web:1.4.2`.
    package var image: String
    /// Replaces the image's entry point and arguments when not empty.
    package var command: [String] = []
    /// Container ports by name. The gateway sends requests to the one named `http`, or, in HTTP/2 without TLS, `h2c` or `grpc`.
    package var ports: [String: Int] = [:]
    package var ingress: [IngressRule] = []
    package var env: [String: String] = [:]
    package var resources = Resources()
    package var replicas = ReplicaPolicy()
    package var scale = ScalePolicy()
    package var health = HealthPolicy()
    package var rollout = RolloutPolicy()
    package var stop = StopPolicy()
    /// nil or empty: none.
    package var volumes: [VolumeSpec]?

    package init(service: String, image: String) {
        self.service = service
        self.image = image
    }
}

/// Requests whose host and path match go to the service; the longest matching path of the matching host wins.
package struct IngressRule: Hashable, Sendable, Codable {
    /// Exact host name, lower case, or `*` for any.
    package var host: String
    /// Path prefix, matched at `/` boundaries.
    package var path: String

    package init(host: String, path: String = "/") {
        self.host = host
        self.path = path
    }
}

/// Limits of one replica.
package struct Resources: Hashable, Sendable, Codable {
    package var cpu: MilliCPU?
    package var memory: ByteCount?
    /// The most processes and threads a replica may have.
    package var pids: Int = 512

    package init() {}
}

/// How many replicas there may be, and how ready the offline ones are kept.
package struct ReplicaPolicy: Hashable, Sendable, Codable {
    package var min: Int = 0
    package var max: Int = 10
    package var standby: StandbyTarget = .auto
    /// The rung standbys are kept at: `staged`, `prepared` or `frozen`.
    package var rung: Rung = .prepared

    package init() {}
}

/// How many standbys to keep: a fixed count, or what the autoscaler finds is needed.
package enum StandbyTarget: Hashable, Sendable, Codable {
    case auto
    case count(Int)

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let count = try? container.decode(Int.self) {
            self = .count(count)
        } else {
            let text = try container.decode(String.self)
            guard text == "auto" else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "standby is ‘auto’ or a whole number")
            }
            self = .auto
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .auto: try container.encode("auto")
        case .count(let count): try container.encode(count)
        }
    }
}

/// How the service scales by load.
package struct ScalePolicy: Hashable, Sendable, Codable {
    /// Requests one replica serves at once; nil means learnt.
    package var concurrency: Int? = nil
    /// How long a request may wait for a free slot before that counts as a violation the scaler works against.
    package var wait: Milliseconds = Milliseconds(100)
    /// How long a held request waits at most before it is answered 503.
    package var holdDeadline: Milliseconds = .seconds(30)
    /// The most requests held at once, beyond which further ones are answered 503 at once.
    package var holdLimit: Int = 10_000
    /// How long without any open request before scaling to zero (when `replicas.min` is 0).
    package var idle: Milliseconds = .seconds(60)

    package init() {}
}

/// What tells that a replica has started, may get requests, and still lives.
package struct HealthPolicy: Hashable, Sendable, Codable {
    /// Gates `online`: nil means a TCP connect to the request port (or, without one, that the process runs).
    package var startup: Probe?
    /// Failing removes the replica from routing until it succeeds again.
    package var ready: Probe?
    /// Failing restarts the replica.
    package var live: Probe?
    /// A replica not started within this time has failed.
    package var startTimeout: Milliseconds = .seconds(30)

    package init() {}
}

/// One repeated check of a replica; exactly one of `http`, `grpc`, `tcp` and `exec` is set.
package struct Probe: Hashable, Sendable, Codable {
    /// A path on the request port that must answer 2xx or 3xx.
    package var http: String?
    /// The name of a service that the server on the `grpc` port must call serving by gRPC's health protocol; `*` for the whole server.
    package var grpc: String?
    /// A port name that must accept a connection.
    package var tcp: String?
    /// A command inside the container that must exit 0.
    package var exec: [String]?
    package var every: Milliseconds = .seconds(2)
    package var timeout: Milliseconds = .seconds(1)
    /// Failures in a row before the probe counts as failed.
    package var failures: Int = 3

    package init() {}
}

/// How a new revision replaces the old one.
package struct RolloutPolicy: Hashable, Sendable, Codable {
    package enum OnFailure: String, Hashable, Sendable, Codable { case rollback, pause }

    /// How many replicas above the desired count may exist during the rollout; at least 1 when `maxUnavailable` is 0.
    package var maxSurge: Int = 1
    /// How many replicas below the desired count may be online during the rollout.
    package var maxUnavailable: Int = 0
    /// How long a new replica must stay ready before it counts.
    package var bake: Milliseconds = .seconds(2)
    /// Percent of requests the new revision gets, step by step, before the old one is replaced: each step holds for `bake` with its replicas
    /// ready throughout. nil or empty: replicas are replaced at once and the new ones get their share by their number.
    package var canary: [Int]?
    /// The rollout fails when no new replica becomes ready for this long.
    package var deadline: Milliseconds = .seconds(60)
    /// How many failed starts of the new revision fail the rollout.
    package var failures: Int = 2
    package var onFailure: OnFailure = .rollback

    package init() {}
}

/// How a replica is taken out of service: drained for up to `drain`, signalled, killed after `grace`.
package struct StopPolicy: Hashable, Sendable, Codable {
    /// Signal name without `SIG`.
    package var signal: String = "TERM"
    package var grace: Milliseconds = .seconds(10)
    package var drain: Milliseconds = .seconds(30)

    package init() {}
}
