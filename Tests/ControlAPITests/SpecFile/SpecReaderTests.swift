import SidekickModel
import Testing

@testable import ControlAPI

struct SpecReaderTests {
    /// The problems of `text`, each as `line:column key: message`, without the file's name.
    private func problems(_ text: String) -> [String] {
        do {
            _ = try SpecReader.services(text: text, file: "web.yaml")
            return []
        } catch {
            return error.problems.map { "\($0.line):\($0.column) \($0.key): \($0.message)" }
        }
    }

    @Test func `a spec of two lines has every default`() throws {
        let spec = try SpecReader.service(text: "service: web\nimage: web:1\n", file: "web.yaml")
        #expect(spec == ServiceSpec(service: "web", image: "web:1"))
    }

    @Test func `every key is read`() throws {
        let text = """
            service: web
            image: web:1.4.2
            command: [/bin/server, --port, "80"]
            ports: { http: 8080, admin: 9090 }
            ingress: [{ host: web.example.com, path: /a }, { host: "*" }]
            env: { LOG_LEVEL: info, COUNT: 3, EMPTY: "" }
            resources: { cpu: 500m, memory: 256MiB, pids: 200 }
            replicas: { min: 1, max: 20, standby: 2, rung: staged }
            scale: { concurrency: 8, wait: 100ms, holdDeadline: 5s, holdLimit: 7, idle: 1m30s }
            health:
              startup: { tcp: http, every: 50ms }
              ready: { http: /healthz, every: 2s, timeout: 1s, failures: 4 }
              live: { exec: [/bin/check] }
              startTimeout: 9s
            rollout: { maxSurge: 2, maxUnavailable: 1, bake: 0s, deadline: 30s, failures: 5, onFailure: pause }
            stop: { signal: INT, grace: 3s, drain: 4s }
            """
        let spec = try SpecReader.service(text: text, file: "web.yaml")
        #expect(spec.command == ["/bin/server", "--port", "80"])
        #expect(spec.ports == ["http": 8080, "admin": 9090])
        #expect(spec.ingress == [IngressRule(host: "web.example.com", path: "/a"), IngressRule(host: "*", path: "/")])
        #expect(spec.env == ["LOG_LEVEL": "info", "COUNT": "3", "EMPTY": ""])
        #expect(spec.resources.cpu == MilliCPU(500) && spec.resources.memory == .mebibytes(256) && spec.resources.pids == 200)
        #expect(spec.replicas.min == 1 && spec.replicas.max == 20 && spec.replicas.standby == .count(2))
        #expect(spec.replicas.rung == .staged)
        #expect(spec.scale.concurrency == 8 && spec.scale.holdLimit == 7 && spec.scale.idle == .seconds(90))
        #expect(spec.health.startup?.tcp == "http" && spec.health.startup?.every == Milliseconds(50))
        #expect(spec.health.ready?.http == "/healthz" && spec.health.ready?.failures == 4)
        #expect(spec.health.live?.exec == ["/bin/check"] && spec.health.startTimeout == .seconds(9))
        #expect(spec.rollout.maxSurge == 2 && spec.rollout.onFailure == .pause && spec.rollout.failures == 5)
        #expect(spec.stop.signal == "INT" && spec.stop.grace == .seconds(3) && spec.stop.drain == .seconds(4))
    }

    @Test func `volumes are read, and what is wrong with one is placed`() throws {
        let spec = try SpecReader.service(
            text: """
                service: db
                image: db:1
                volumes:
                  - { name: data, path: /var/lib/db }
                  - { host: /etc/ssl, path: /etc/ssl, readOnly: true }
                  - { tmpfs: 64MiB, path: /scratch }
                """, file: "db.yaml")
        #expect(
            spec.volumes?.map(\.description) == [
                "data → /var/lib/db", "/etc/ssl → /etc/ssl (read-only)", "tmpfs 64MiB → /scratch",
            ])
        #expect(try SpecReader.service(text: try YAMLText.text(of: spec), file: "db.yaml") == spec)
        let head = "service: db\nimage: db:1\n"
        #expect(
            problems(head + "volumes: [{ nmae: data, path: /data }]").contains(
                "3:13 volumes[0].nmae: unknown key; did you mean ‘name’?"))
        #expect(
            problems(head + "volumes: [{ name: data, path: /data, readOnly: yes }]") == [
                "3:48 volumes[0].readOnly: expected true or false, found ‘yes’"
            ])
        #expect(problems(head + "volumes: { data: /data }") == ["3:10 volumes: expected a list, found keys and values"])
        #expect(problems(head + "volumes:\n  - { name: data }").map { $0.prefix(21) } == ["4:5 volumes[0].path: "])
        #expect(
            problems(head + "volumes:\n  - { name: data,\n      path: data }").map { $0.prefix(22) } == [
                "5:13 volumes[0].path: "
            ])
    }

    @Test func `JSON is read by the same rules`() throws {
        let text = #"{"service": "web", "image": "web:1", "replicas": {"min": 0, "max": 3}, "scale": {"concurrency": "auto"}}"#
        let spec = try SpecReader.service(text: text, file: "web.json")
        #expect(spec.replicas.max == 3 && spec.scale.concurrency == nil)
    }

    @Test func `a spec written as YAML reads back the same`() throws {
        var spec = ServiceSpec(service: "web", image: "web:1")
        spec.env = ["A": "yes", "B": "1", "C": "", "D": "a: b # c\n"]
        spec.ports = ["http": 80]
        spec.ingress = [IngressRule(host: "*")]
        spec.resources.memory = .mebibytes(32)
        spec.health.ready = Probe()
        spec.health.ready?.http = "/"
        #expect(try SpecReader.service(text: try YAMLText.text(of: spec), file: "web.yaml") == spec)
    }

    @Test(arguments: [
        ("replicas: { maks: 3 }", "3:13 replicas.maks: unknown key; did you mean ‘max’?"),
        ("repliacs: { max: 3 }", "3:1 repliacs: unknown key; did you mean ‘replicas’?"),
        ("rollout: { maxsurge: 3 }", "3:12 rollout.maxsurge: unknown key; did you mean ‘maxSurge’?"),
        ("health: { ready: { htpt: / } }", "3:20 health.ready.htpt: unknown key; did you mean ‘http’?"),
    ])
    func `an unknown key names the nearest valid one`(line: String, problem: String) {
        #expect(problems("service: web\nimage: web:1\n\(line)").contains(problem))
    }

    @Test func `a key in the wrong section names the right one`() throws {
        let problem = try #require(problems("service: web\nimage: w\nconcurrency: 8").first)
        #expect(problem.contains("‘concurrency’ belongs under scale"))
    }

    @Test(arguments: [
        ("replicas: { max: lots }", "3:18 replicas.max: expected a whole number, found ‘lots’"),
        ("replicas: { max: \"3\" }", "3:18 replicas.max: expected a whole number, found the text ‘3’"),
        ("replicas: { max: [3] }", "3:18 replicas.max: expected a whole number, found a list"),
        ("replicas: 3", "3:11 replicas: expected keys and values, found ‘3’"),
        ("replicas: { standby: many }", "3:22 replicas.standby: expected a whole number or auto, found ‘many’"),
        ("replicas: { rung: high }", "3:19 replicas.rung: expected one of staged, prepared, frozen, online, found ‘high’"),
        ("scale: { wait: 100 }", "3:16 scale.wait: expected a duration with its unit, such as 100ms, 30s or 5m, found ‘100’"),
        ("resources: { memory: 1G }", "3:22 resources.memory: expected a size such as 256MiB or 1GiB, found ‘1G’"),
        ("resources: { cpu: 0.5 }", "3:19 resources.cpu: expected a processor share such as 500m or 2, found ‘0.5’"),
        ("command: run", "3:10 command: expected a list of words, such as [/bin/server, --port, \"80\"], found ‘run’"),
        ("env: [A]", "3:6 env: expected names and values, such as { LOG_LEVEL: info }, found a list"),
    ])
    func `a value of the wrong kind says what is expected and what is there`(line: String, problem: String) {
        #expect(problems("service: web\nimage: web:1\n\(line)") == [problem])
    }

    @Test func `rules are reported where the value stands`() {
        let text = """
            service: Web
            image: web:1
            replicas:
              min: 5
              max: 2
            stop:
              signal: TREM
            """
        #expect(
            problems(text).map { $0.prefix(while: { $0 != " " }) } == ["1:10", "4:8", "7:11"])
    }

    @Test func `all problems come at once and in file order`() {
        let text = """
            service: web
            imag: web:1
            replicas: { max: x, mni: 2 }
            health: { ready: {} }
            """
        #expect(
            problems(text).map { $0.split(separator: " ")[1] } == [
                "image:", "imag:", "replicas.max:", "replicas.mni:", "health.ready:",
            ])
    }

    @Test func `a repeated key is refused`() {
        let found = problems("service: web\nimage: web:1\nenv: { A: 1, A: 2 }\n")
        #expect(found.count == 1 && found[0].hasPrefix("3:8 A: is given more than once"), "\(found)")
    }

    @Test(arguments: ["service: [", "a: b: c", "\t- x", "service: \"web", "? [", "&a *a", "--- !<", "{", "\u{1}", "%YAML 3"])
    func `text that is no YAML is refused`(text: String) {
        #expect(!problems(text).isEmpty)
    }

    @Test(arguments: ["", "# nothing\n", "---\n---\n"])
    func `an empty file is refused`(text: String) {
        #expect(problems(text).first?.contains("holds no service") == true)
    }

    @Test func `a file may hold several services, each once`() throws {
        let two = "service: a\nimage: a:1\n---\nservice: b\nimage: b:1\n"
        #expect(try SpecReader.services(text: two, file: "x").map(\.service) == ["a", "b"])
        #expect(problems(two + "---\nservice: a\nimage: a:2\n").first?.contains("already specified") == true)
    }

    @Test func `a problem prints as file, line, column, key and message`() {
        let problem = SpecProblem(
            file: "web.yaml", line: 7, column: 3, key: "replicas.maks", message: "unknown key", nearest: "max")
        #expect("\(problem)" == "web.yaml:7:3: replicas.maks: unknown key")
    }
}
