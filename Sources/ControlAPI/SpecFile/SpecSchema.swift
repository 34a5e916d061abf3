import SidekickModel

/// Every key a spec file may have, section by section.
enum SpecSchema {
    static var service: [SpecField<ServiceSpec>] {
        [
            .text("service", \.service, "a name"),
            .text("image", \.image, "an image reference such as web:1.4.2"),
            .words("command", \.command, "a list of words, such as [/bin/server, --port, \"80\"]"),
            .dictionary("ports", \.ports, "names and ports, such as { http: 8080 }") { $0.integer($1, $2, "a port number") },
            .list("ingress", \.ingress, empty: IngressRule(host: "*"), ingress),
            .dictionary("env", \.env, "names and values, such as { LOG_LEVEL: info }") {
                $0.scalar($1, $2, "a value (\"\" for an empty one)")
            },
            .section("resources", \.resources, resources),
            .section("replicas", \.replicas, replicas),
            .section("scale", \.scale, scale),
            .section("health", \.health, health),
            .section("rollout", \.rollout, rollout),
            .section("stop", \.stop, stop),
            .list("volumes", \.volumes, empty: VolumeSpec(), volume),
        ]
    }

    private static var ingress: [SpecField<IngressRule>] {
        [.text("host", \.host, "a host name or \"*\""), .text("path", \.path, "a path such as /")]
    }

    private static var resources: [SpecField<Resources>] {
        [
            .quantity("cpu", \.cpu, "a processor share such as 500m or 2") { MilliCPU(text: $0) },
            .quantity("memory", \.memory, "a size such as 256MiB or 1GiB") { ByteCount(text: $0) },
            .integer("pids", \.pids),
        ]
    }

    private static var replicas: [SpecField<ReplicaPolicy>] {
        [
            .integer("min", \.min), .integer("max", \.max),
            .integerOrAuto("standby", \.standby, auto: .auto) { .count($0) },
            .choice("rung", \.rung, Rung.allCases),
        ]
    }

    private static var scale: [SpecField<ScalePolicy>] {
        [
            .integerOrAuto("concurrency", \.concurrency, auto: nil) { $0 },
            .duration("wait", \.wait), .duration("holdDeadline", \.holdDeadline), .integer("holdLimit", \.holdLimit),
            .duration("idle", \.idle),
        ]
    }

    private static var health: [SpecField<HealthPolicy>] {
        [
            .section("startup", \.startup, empty: Probe(), probe), .section("ready", \.ready, empty: Probe(), probe),
            .section("live", \.live, empty: Probe(), probe), .duration("startTimeout", \.startTimeout),
        ]
    }

    private static var probe: [SpecField<Probe>] {
        [
            .text("http", \.http, "a path such as /healthz"),
            .text("grpc", \.grpc, "the name of a gRPC service, or \"*\" for the server"),
            .text("tcp", \.tcp, "a port's name"),
            SpecField(name: "exec") { tree, node, path, probe in probe.exec = tree.words(node, path, "a list of words") },
            .duration("every", \.every), .duration("timeout", \.timeout), .integer("failures", \.failures),
        ]
    }

    private static var rollout: [SpecField<RolloutPolicy>] {
        [
            .integer("maxSurge", \.maxSurge), .integer("maxUnavailable", \.maxUnavailable), .duration("bake", \.bake),
            .duration("deadline", \.deadline), .integer("failures", \.failures),
            .choice("onFailure", \.onFailure, [.rollback, .pause]),
            SpecField(name: "canary") { tree, node, path, policy in
                policy.canary = tree.percentages(node, path)
            },
        ]
    }

    private static var stop: [SpecField<StopPolicy>] {
        [.text("signal", \.signal, "a signal's name such as TERM"), .duration("grace", \.grace), .duration("drain", \.drain)]
    }

    private static var volume: [SpecField<VolumeSpec>] {
        [
            .text("name", \.name, "a name such as data"), .text("host", \.host, "an absolute path of the host"),
            .quantity("tmpfs", \.tmpfs, "a size such as 64MiB") { ByteCount(text: $0) },
            .text("path", \.path, "an absolute path inside the container"), .boolean("readOnly", \.readOnly),
        ]
    }

    /// The sections that have a key of this name, for a key written in the wrong place.
    static func sections(having key: String) -> [String] {
        let sections: [(name: String, keys: [String])] = [
            ("ingress", ingress.map(\.name)), ("resources", resources.map(\.name)), ("replicas", replicas.map(\.name)),
            ("scale", scale.map(\.name)), ("health", health.map(\.name)), ("health's probes", probe.map(\.name)),
            ("rollout", rollout.map(\.name)), ("stop", stop.map(\.name)), ("volumes", volume.map(\.name)),
        ]
        return sections.filter { $0.keys.contains(key) }.map(\.name)
    }
}
