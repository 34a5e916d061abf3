import ControlAPI
import SidekickModel

extension OpenAPIDocument {
    /// Every schema by name.
    static var components: [(name: String, schema: OpenAPISchema)] { spec + fleet + resources }

    /// Durations are texts such as `30s`, sizes such as `256MiB`, shares of a processor such as `500m`.
    private static var spec: [(name: String, schema: OpenAPISchema)] {
        [
            (
                "ServiceSpec",
                .object([
                    .init("service", .string), .init("image", .string), .init("command", .array(.string)),
                    .init("ports", .map(.integer)), .init("ingress", .array(.reference("IngressRule"))),
                    .init("env", .map(.string)), .init("resources", .reference("Resources")),
                    .init("replicas", .reference("ReplicaPolicy")), .init("scale", .reference("ScalePolicy")),
                    .init("health", .reference("HealthPolicy")), .init("rollout", .reference("RolloutPolicy")),
                    .init("stop", .reference("StopPolicy")),
                    .init("volumes", .array(.reference("VolumeSpec")), optional: true),
                ])
            ),
            (
                "VolumeSpec",
                .object([
                    .init("name", .string, optional: true), .init("host", .string, optional: true),
                    .init("tmpfs", .string, optional: true), .init("path", .string), .init("readOnly", .boolean),
                ])
            ),
            ("IngressRule", .object([.init("host", .string), .init("path", .string)])),
            (
                "Resources",
                .object([
                    .init("cpu", .string, optional: true), .init("memory", .string, optional: true), .init("pids", .integer),
                ])
            ),
            (
                "ReplicaPolicy",
                .object([
                    .init("min", .integer), .init("max", .integer), .init("standby", .either([.integer, .words(["auto"])])),
                    .init("rung", rung),
                ])
            ),
            (
                "ScalePolicy",
                .object([
                    .init("concurrency", .integer, optional: true), .init("wait", .string), .init("holdDeadline", .string),
                    .init("holdLimit", .integer), .init("idle", .string),
                ])
            ),
            (
                "HealthPolicy",
                .object([
                    .init("startup", .reference("Probe"), optional: true), .init("ready", .reference("Probe"), optional: true),
                    .init("live", .reference("Probe"), optional: true), .init("startTimeout", .string),
                ])
            ),
            (
                "Probe",
                .object([
                    .init("http", .string, optional: true), .init("grpc", .string, optional: true),
                    .init("tcp", .string, optional: true),
                    .init("exec", .array(.string), optional: true), .init("every", .string), .init("timeout", .string),
                    .init("failures", .integer),
                ])
            ),
            (
                "RolloutPolicy",
                .object([
                    .init("maxSurge", .integer), .init("maxUnavailable", .integer), .init("bake", .string),
                    .init("deadline", .string), .init("failures", .integer), .init("onFailure", .words(["rollback", "pause"])),
                ])
            ),
            ("StopPolicy", .object([.init("signal", .string), .init("grace", .string), .init("drain", .string)])),
        ]
    }

    private static var rung: OpenAPISchema { .words(Rung.allCases.map(\.rawValue)) }

    /// Times are nanoseconds since 1970.
    private static var fleet: [(name: String, schema: OpenAPISchema)] {
        [
            (
                "ServiceRecord",
                .object([
                    .init("name", .string), .init("resourceVersion", .integer), .init("revision", .integer),
                    .init("stableRevision", .integer, optional: true), .init("desiredOnline", .integer),
                    .init("desiredStandby", .integer), .init("manualOnline", .integer, optional: true),
                    .init("deleting", .boolean), .init("createdAt", .integer),
                ])
            ),
            (
                "ReplicaRecord",
                .object([
                    .init("id", .integer), .init("service", .string), .init("revision", .integer), .init("host", .string),
                    .init("desired", .words(Rung.allCases.map(\.rawValue) + ["removed"])), .init("generation", .integer),
                    .init("createdAt", .integer), .init("changedAt", .integer),
                ])
            ),
            (
                "ObservedReplica",
                .object([
                    .init("replica", .integer), .init("service", .string), .init("revision", .integer),
                    .init("generation", .integer),
                    .init("phase", .words(ObservedReplica.Phase.allCases.map(\.rawValue))),
                    .init("rung", rung, optional: true), .init("ready", .boolean), .init("wokenLocally", .boolean),
                    .init("endpoint", .string, optional: true), .init("pid", .integer, optional: true), .init("starts", .integer),
                    .init("startTook", .string, optional: true), .init("failure", .string, optional: true),
                ])
            ),
            (
                "Canary",
                .object([.init("step", .integer), .init("percent", .integer), .init("since", .integer, optional: true)])
            ),
            (
                "RolloutRecord",
                .object([
                    .init("id", .integer), .init("service", .string), .init("from", .integer, optional: true),
                    .init("to", .integer), .init("phase", .words(RolloutRecord.Phase.allCases.map(\.rawValue))),
                    .init("reason", .string), .init("failedStarts", .integer), .init("startedAt", .integer),
                    .init("progressedAt", .integer), .init("finishedAt", .integer, optional: true),
                    .init("canary", .reference("Canary"), optional: true),
                ])
            ),
            (
                "Revision",
                .object([
                    .init("service", .string), .init("number", .integer), .init("spec", .reference("ServiceSpec")),
                    .init("imageDigest", .string), .init("createdAt", .integer), .init("cause", .string),
                ])
            ),
            (
                "Decision",
                .object([
                    .init("id", .integer), .init("service", .string), .init("at", .integer), .init("onlineBefore", .integer),
                    .init("onlineAfter", .integer), .init("standbyBefore", .integer), .init("standbyAfter", .integer),
                    .init("reason", .string), .init("otherwise", .string),
                    .init("inputs", .array(.object([.init("name", .string), .init("value", .number)]))),
                ])
            ),
            (
                "LoadRecord",
                .object([
                    .init("at", .integer), .init("seconds", .number), .init("requests", .integer), .init("completions", .integer),
                    .init("busySeconds", .number), .init("peakInflight", .integer),
                ])
            ),
            (
                "FleetEvent",
                .object([
                    .init("id", .integer), .init("at", .integer),
                    .init("kind", .words(FleetEvent.Kind.allCases.map(\.rawValue))),
                    .init("service", .string, optional: true), .init("host", .string, optional: true),
                    .init("replica", .integer, optional: true), .init("message", .string),
                ])
            ),
            (
                "HostRecord",
                .object([
                    .init("name", .string), .init("labels", .map(.string)), .init("cpu", .string), .init("memory", .string),
                    .init("cordoned", .boolean), .init("draining", .boolean), .init("joinedAt", .integer),
                ])
            ),
        ]
    }

    private static var resources: [(name: String, schema: OpenAPISchema)] {
        [
            (
                "ApplyRequest",
                .object([
                    .init("services", .array(.reference("ServiceSpec"))), .init("dryRun", .boolean),
                    .init("expectedVersion", .integer, optional: true),
                ])
            ),
            (
                "ApplyResult",
                .object([
                    .init("service", .string), .init("outcome", .words(["created", "updated", "unchanged"])),
                    .init("revision", .integer), .init("resourceVersion", .integer), .init("rollout", .integer, optional: true),
                    .init(
                        "changes",
                        .array(
                            .object([
                                .init("key", .string), .init("before", .string, optional: true),
                                .init("after", .string, optional: true),
                            ]))),
                ])
            ),
            (
                "ServiceStatus",
                .object([
                    .init("record", .reference("ServiceRecord")), .init("spec", .reference("ServiceSpec")),
                    .init("rollout", .reference("RolloutRecord"), optional: true),
                    .init(
                        "replicas",
                        .array(
                            .object([
                                .init("record", .reference("ReplicaRecord")),
                                .init("observed", .reference("ObservedReplica"), optional: true),
                            ]))),
                    .init(
                        "load",
                        .object([.init("inflight", .integer), .init("held", .integer), .init("requestsPerSecond", .number)])),
                    .init("decision", .reference("Decision"), optional: true),
                ])
            ),
            (
                "HostStatus",
                .object([
                    .init("record", .reference("HostRecord")),
                    .init("liveness", .words(["alive", "suspected", "lost", "unknown"])),
                    .init("version", .string, optional: true), .init("replicas", .integer), .init("online", .integer),
                ])
            ),
            (
                "ImageSummary",
                .object([
                    .init("digest", .string), .init("names", .array(.string)), .init("size", .integer), .init("layers", .integer),
                ])
            ),
            (
                "ImageImportRequest",
                .object([
                    .init("path", .string), .init("name", .string, optional: true),
                    .init("command", .array(.string), optional: true), .init("environment", .array(.string), optional: true),
                ])
            ),
            ("ScaleRequest", .object([.init("online", .integer, optional: true)])),
            (
                "RolloutRequest",
                .object([
                    .init("action", .words(["start", "pause", "resume", "undo"])), .init("image", .string, optional: true),
                    .init("revision", .integer, optional: true),
                ])
            ),
            ("HostRequest", .object([.init("action", .words(["cordon", "uncordon", "drain", "remove"]))])),
            ("BackupRequest", .object([.init("path", .string)])),
            ("BackupSummary", .object([.init("path", .string), .init("size", .integer)])),
            (
                "APIFailure",
                .object([
                    .init(
                        "code",
                        .words(["notFound", "invalid", "conflict", "unavailable", "unreachable", "internalFailure"])),
                    .init("message", .string),
                    .init("issues", .array(.object([.init("key", .string), .init("message", .string)]))),
                ])
            ),
        ]
    }
}
