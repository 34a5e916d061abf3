/// Something in a spec that cannot be: where, as a path such as `replicas.max` or `ingress[0].host`, and why.
package struct SpecIssue: Hashable, Sendable {
    package var path: String
    package var message: String

    package init(_ path: String, _ message: String) {
        self.path = path
        self.message = message
    }
}

extension ServiceSpec {
    /// Everything wrong with the spec, in the order of its keys; empty when it can be applied.
    package func issues() -> [SpecIssue] {
        nameIssues() + processIssues() + ingressIssues() + resources.issues() + replicas.issues() + scale.issues()
            + health.issues(ports: ports) + rollout.issues() + stop.issues() + volumeIssues()
    }

    private func nameIssues() -> [SpecIssue] {
        var issues: [SpecIssue] = []
        if !SpecText.isName(service, limit: 40) {
            issues.append(
                SpecIssue("service", "‘\(service)’ is not a name: 1 to 40 of a-z, 0-9 and -, first a letter, last not -"))
        }
        if image.isEmpty || image.utf8.count > 512 || image.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7f }) {
            issues.append(SpecIssue("image", "‘\(image)’ is not an image reference such as web:1.4.2"))
        }
        return issues
    }

    private func processIssues() -> [SpecIssue] {
        var issues: [SpecIssue] = []
        for (index, word) in command.enumerated() where word.utf8.contains(0) {
            issues.append(SpecIssue("command[\(index)]", "holds a NUL character"))
        }
        if command.first?.isEmpty == true {
            issues.append(SpecIssue("command[0]", "is empty: the first word is the program to run"))
        }
        for (name, port) in ports.sorted(by: { $0.key < $1.key }) {
            if !SpecText.isName(name, limit: 15) {
                issues.append(
                    SpecIssue("ports.\(name)", "‘\(name)’ is not a port name: 1 to 15 of a-z, 0-9 and -, first a letter"))
            }
            if !(1...65535).contains(port) { issues.append(SpecIssue("ports.\(name)", "\(port) is not a port: 1 to 65535")) }
        }
        let request = Self.requestPorts.map(\.name).filter { ports[$0] != nil }
        if request.count > 1 {
            issues.append(
                SpecIssue(
                    "ports.\(request[1])",
                    "requests go to one port, and ‘\(request[0])’ is there too: http speaks HTTP/1.1, h2c and grpc HTTP/2 without TLS"
                ))
        }
        for (name, value) in env.sorted(by: { $0.key < $1.key }) {
            if name.isEmpty || name.utf8.contains(where: { $0 == UInt8(ascii: "=") || $0 == 0 }) {
                issues.append(SpecIssue("env.\(name)", "‘\(name)’ cannot name a variable: it is empty or holds = or NUL"))
            }
            if value.utf8.contains(0) { issues.append(SpecIssue("env.\(name)", "holds a NUL character")) }
        }
        return issues
    }

    private func ingressIssues() -> [SpecIssue] {
        var issues: [SpecIssue] = []
        if !ingress.isEmpty, requestPort == nil {
            issues.append(SpecIssue("ingress", "needs a port named http, h2c or grpc, such as ‘ports: { http: 8080 }’"))
        }
        var seen: Set<IngressRule> = []
        for (index, rule) in ingress.enumerated() {
            if rule.host != "*", !SpecText.isHostName(rule.host) {
                issues.append(SpecIssue("ingress[\(index)].host", "‘\(rule.host)’ is not a lower-case host name or *"))
            }
            if rule.host.hasSuffix(InternalName.suffix) {
                issues.append(
                    SpecIssue(
                        "ingress[\(index)].host",
                        "‘\(rule.host)’ is an internal name: each service has NAME\(InternalName.suffix) to itself without an ingress"
                    ))
            }
            if !SpecText.isPath(rule.path) {
                issues.append(
                    SpecIssue(
                        "ingress[\(index)].path", "‘\(rule.path)’ is not a path: it starts with / and holds no space, ? or #"))
            }
            if !seen.insert(rule).inserted {
                issues.append(SpecIssue("ingress[\(index)]", "\(rule.host)\(rule.path) is already listed above"))
            }
        }
        return issues
    }
}

extension Resources {
    fileprivate func issues() -> [SpecIssue] {
        var issues: [SpecIssue] = []
        // The kernel refuses a quota below 1 ms per period of 100 ms, which is 10m.
        if let cpu, !(10...1_000_000).contains(cpu.count) {
            issues.append(SpecIssue("resources.cpu", "\(cpu) is not within 10m and 1000"))
        }
        if let memory, memory < .mebibytes(4) {
            issues.append(SpecIssue("resources.memory", "\(memory) is below 4MiB, the least a process can start in"))
        }
        issues += SpecRange.check("resources.pids", pids, 1...4_194_304)
        return issues
    }
}

extension ReplicaPolicy {
    fileprivate func issues() -> [SpecIssue] {
        var issues = SpecRange.check("replicas.min", min, 0...10_000) + SpecRange.check("replicas.max", max, 1...10_000)
        if min > max { issues.append(SpecIssue("replicas.min", "min (\(min)) is above max (\(max))")) }
        if case .count(let count) = standby { issues += SpecRange.check("replicas.standby", count, 0...10_000) }
        if rung == .online {
            issues.append(
                SpecIssue("replicas.rung", "standbys are kept staged, prepared or frozen; use min for replicas that stay online"))
        }
        return issues
    }
}

extension ScalePolicy {
    fileprivate func issues() -> [SpecIssue] {
        var issues: [SpecIssue] = []
        if let concurrency { issues += SpecRange.check("scale.concurrency", concurrency, 1...100_000) }
        issues += SpecRange.check("scale.wait", wait, .init(1) ... .seconds(3600))
        issues += SpecRange.check("scale.holdDeadline", holdDeadline, .init(1) ... .seconds(3600))
        issues += SpecRange.check("scale.holdLimit", holdLimit, 0...1_000_000)
        issues += SpecRange.check("scale.idle", idle, .init(100) ... .seconds(7 * 86400))
        return issues
    }
}

extension HealthPolicy {
    fileprivate func issues(ports: [String: Int]) -> [SpecIssue] {
        var issues = SpecRange.check("health.startTimeout", startTimeout, .init(100) ... .seconds(86400))
        for (name, probe) in [("startup", startup), ("ready", ready), ("live", live)] {
            if let probe { issues += probe.issues(at: "health.\(name)", ports: ports) }
        }
        return issues
    }
}

extension Probe {
    fileprivate func issues(at path: String, ports: [String: Int]) -> [SpecIssue] {
        var issues: [SpecIssue] = []
        let kinds = [http != nil, grpc != nil, tcp != nil, exec != nil].filter { $0 }.count
        if kinds != 1 { issues.append(SpecIssue(path, "a probe has exactly one of http, grpc, tcp and exec, not \(kinds)")) }
        if let http {
            if !SpecText.isProbePath(http) {
                issues.append(SpecIssue("\(path).http", "‘\(http)’ is not a path such as /healthz"))
            }
            if !ServiceSpec.requestPorts.contains(where: { ports[$0.name] != nil }) {
                issues.append(SpecIssue("\(path).http", "needs a port named http or h2c, such as ‘ports: { http: 8080 }’"))
            }
        }
        if let grpc {
            let isName = (1...127).contains(grpc.utf8.count) && !grpc.utf8.contains { $0 <= 0x20 || $0 >= 0x7f }
            if !isName {
                issues.append(SpecIssue("\(path).grpc", "‘\(grpc)’ is not the name of a gRPC service, or * for the server"))
            }
            if ports["grpc"] == nil {
                issues.append(SpecIssue("\(path).grpc", "needs a port named grpc, such as ‘ports: { grpc: 9000 }’"))
            }
        }
        if let tcp, ports[tcp] == nil {
            let known = ports.keys.sorted().joined(separator: ", ")
            issues.append(
                SpecIssue("\(path).tcp", "‘\(tcp)’ is not one of this service's ports (\(known.isEmpty ? "it has none" : known))")
            )
        }
        if let exec, exec.isEmpty || exec[0].isEmpty {
            issues.append(SpecIssue("\(path).exec", "is empty: the first word is the program to run"))
        }
        issues += SpecRange.check("\(path).every", every, .init(10) ... .seconds(3600))
        issues += SpecRange.check("\(path).timeout", timeout, .init(10) ... .seconds(600))
        issues += SpecRange.check("\(path).failures", failures, 1...1000)
        return issues
    }
}

extension RolloutPolicy {
    fileprivate func issues() -> [SpecIssue] {
        var issues = SpecRange.check("rollout.maxSurge", maxSurge, 0...10_000)
        issues += SpecRange.check("rollout.maxUnavailable", maxUnavailable, 0...10_000)
        if maxSurge == 0, maxUnavailable == 0 {
            issues.append(
                SpecIssue("rollout.maxSurge", "maxSurge and maxUnavailable cannot both be 0: no replica could ever be replaced"))
        }
        issues += SpecRange.check("rollout.bake", bake, .init(0) ... .seconds(86400))
        for (index, percent) in (canary ?? []).enumerated() {
            issues += SpecRange.check("rollout.canary[\(index)]", percent, 1...99)
            if index > 0, let before = canary?[index - 1], percent <= before {
                issues.append(SpecIssue("rollout.canary[\(index)]", "\(percent) is not above the step before it (\(before))"))
            }
        }
        if canary?.count ?? 0 > 20 { issues.append(SpecIssue("rollout.canary", "has more than 20 steps")) }
        issues += SpecRange.check("rollout.deadline", deadline, .seconds(1) ... .seconds(86400))
        issues += SpecRange.check("rollout.failures", failures, 1...1000)
        return issues
    }
}

extension StopPolicy {
    /// The signals a service may be stopped by: those whose default action ends a process and that a program can catch.
    package static let signals = ["ABRT", "ALRM", "HUP", "INT", "KILL", "QUIT", "TERM", "USR1", "USR2", "WINCH"]

    fileprivate func issues() -> [SpecIssue] {
        var issues: [SpecIssue] = []
        if !Self.signals.contains(signal) {
            issues.append(SpecIssue("stop.signal", "‘\(signal)’ is not one of \(Self.signals.joined(separator: ", "))"))
        }
        issues += SpecRange.check("stop.grace", grace, .init(0) ... .seconds(3600))
        issues += SpecRange.check("stop.drain", drain, .init(0) ... .seconds(3600))
        return issues
    }
}
