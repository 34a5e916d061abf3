import SidekickModel
import Testing

struct SpecValidationTests {
    private static var valid: ServiceSpec {
        var spec = ServiceSpec(service: "web", image: "web:1")
        spec.ports = ["http": 8080]
        spec.ingress = [IngressRule(host: "web.example.com")]
        return spec
    }

    @Test func `a plain spec has no issue`() {
        #expect(Self.valid.issues().isEmpty)
    }

    @Test func `the request port's name says what is spoken there`() {
        var spec = Self.valid
        for (name, speaks) in [("http", PortProtocol.http1), ("h2c", .h2c), ("grpc", .h2c)] {
            spec.ports = [name: 9000, "metrics": 9100]
            #expect(spec.issues().isEmpty)
            #expect(spec.requestPort?.name == name && spec.requestPort?.speaks == speaks && spec.requestPort?.number == 9000)
        }
        spec.health.ready = Probe()
        spec.health.ready?.grpc = "my.package.Service"
        #expect(spec.issues().isEmpty)
        spec.ports = ["metrics": 9100]
        #expect(spec.requestPort == nil)
    }

    /// One change to a valid spec, and the path of the one issue it makes.
    struct Case: Sendable {
        var path: String
        var change: @Sendable (inout ServiceSpec) -> Void
    }

    static let cases: [Case] = [
        Case(path: "service") { $0.service = "" },
        Case(path: "service") { $0.service = "Web" },
        Case(path: "service") { $0.service = "1web" },
        Case(path: "service") { $0.service = "web-" },
        Case(path: "service") { $0.service = String(repeating: "a", count: 41) },
        Case(path: "image") { $0.image = "" },
        Case(path: "image") { $0.image = "a b" },
        Case(path: "command[0]") { $0.command = [""] },
        Case(path: "command[1]") { $0.command = ["a", "b\0"] },
        Case(path: "ports.http") { $0.ports["http"] = 0 },
        Case(path: "ports.http") { $0.ports["http"] = 65536 },
        Case(path: "ports.grpc") { $0.ports["grpc"] = 9000 },
        Case(path: "ports.h2c") { $0.ports["h2c"] = 9000 },
        Case(path: "health.ready.grpc") {
            $0.health.ready = Probe()
            $0.health.ready?.grpc = "*"
        },
        Case(path: "ports.Http") { $0.ports["Http"] = 80 },
        Case(path: "ingress") { $0.ports = ["web": 80] },
        Case(path: "ingress[0].host") { $0.ingress[0].host = "Web.example.com" },
        Case(path: "ingress[0].host") { $0.ingress[0].host = "a..b" },
        Case(path: "ingress[0].host") { $0.ingress[0].host = "db.sidekick.internal" },
        Case(path: "ingress[0].path") { $0.ingress[0].path = "a" },
        Case(path: "ingress[1]") { $0.ingress.append($0.ingress[0]) },
        Case(path: "env.A=") { $0.env["A="] = "1" },
        Case(path: "env.A") { $0.env["A"] = "\0" },
        Case(path: "resources.cpu") { $0.resources.cpu = MilliCPU(1) },
        Case(path: "resources.memory") { $0.resources.memory = ByteCount(4096) },
        Case(path: "resources.pids") { $0.resources.pids = 0 },
        Case(path: "replicas.min") { $0.replicas.min = -1 },
        Case(path: "replicas.min") { $0.replicas.min = 11 },
        Case(path: "replicas.max") { $0.replicas.max = 0 },
        Case(path: "replicas.standby") { $0.replicas.standby = .count(-1) },
        Case(path: "replicas.rung") { $0.replicas.rung = .online },
        Case(path: "scale.concurrency") { $0.scale.concurrency = 0 },
        Case(path: "scale.wait") { $0.scale.wait = Milliseconds(0) },
        Case(path: "scale.holdDeadline") { $0.scale.holdDeadline = .seconds(7200) },
        Case(path: "scale.holdLimit") { $0.scale.holdLimit = -1 },
        Case(path: "scale.idle") { $0.scale.idle = Milliseconds(0) },
        Case(path: "health.startTimeout") { $0.health.startTimeout = Milliseconds(0) },
        Case(path: "health.ready") { $0.health.ready = Probe() },
        Case(path: "health.ready.http") { $0.health.ready = probe { $0.http = "healthz" } },
        Case(path: "health.live.tcp") { $0.health.live = probe { $0.tcp = "admin" } },
        Case(path: "health.startup.exec") { $0.health.startup = probe { $0.exec = [] } },
        Case(path: "health.ready.failures") {
            $0.health.ready = probe {
                $0.tcp = "http"
                $0.failures = 0
            }
        },
        Case(path: "rollout.maxSurge") { $0.rollout.maxSurge = 0 },
        Case(path: "rollout.maxUnavailable") { $0.rollout.maxUnavailable = -1 },
        Case(path: "rollout.deadline") { $0.rollout.deadline = Milliseconds(10) },
        Case(path: "rollout.failures") { $0.rollout.failures = 0 },
        Case(path: "stop.signal") { $0.stop.signal = "SIGTERM" },
        Case(path: "stop.grace") { $0.stop.grace = .seconds(3601) },
    ]

    private static func probe(_ change: (inout Probe) -> Void) -> Probe {
        var probe = Probe()
        change(&probe)
        return probe
    }

    @Test(arguments: cases.indices)
    func `each rule names the key it is about`(index: Int) {
        let item = Self.cases[index]
        var spec = Self.valid
        item.change(&spec)
        #expect(spec.issues().map(\.path) == [item.path], "\(spec.issues())")
    }
}

struct NearestKeyTests {
    @Test(arguments: [
        ("", "", 0), ("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0), ("max", "maks", 2), ("htpt", "http", 1),
        ("kitten", "sitting", 3),
    ])
    func `edits count insertions, deletions, substitutions and swaps`(a: String, b: String, edits: Int) {
        #expect(NearestKey.edits(from: a, to: b) == edits)
        #expect(NearestKey.edits(from: b, to: a) == edits)
    }

    @Test func `the nearest is the first in order among equals and ignores case`() {
        #expect(NearestKey.nearest(to: "ab", among: ["ad", "ac"])?.key == "ac")
        #expect(NearestKey.nearest(to: "MAXSURGE", among: ["max", "maxSurge"])?.edits == 0)
        #expect(NearestKey.nearest(to: "a", among: []) == nil)
    }
}
