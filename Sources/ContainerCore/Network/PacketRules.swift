import Glibc
import LinuxShims

/// The engine's nftables table: what leaves the bridge is masqueraded, nobody outside opens connections to containers, and containers
/// reach one another only through the gateway, which they find at port 80 of the bridge's address. Loaded once per engine, whatever the number of containers.
struct PacketRules {
    let table: String
    let bridge: String
    let subnet: IPv4Subnet
    let masquerade: Bool
    /// Where the gateway really listens on that address; nil for nowhere.
    let gatewayPort: UInt16?

    /// Replaces the table in one transaction.
    func load() throws(ContainerError) {
        try run(text)
    }

    /// Removes the table, also when it is not there.
    func unload() throws(ContainerError) {
        try run("add table inet \(table)\ndelete table inet \(table)\n")
    }

    var text: String {
        let beyond =
            masquerade
            ? "" : "        iifname \"\(bridge)\" ct state new reject with icmpx type admin-prohibited\n"
        let translation =
            masquerade
            ? """
                chain postrouting {
                    type nat hook postrouting priority srcnat; policy accept;
                    ip saddr \(subnet) oifname != "\(bridge)" masquerade
                }

            """ : ""
        let redirection =
            gatewayPort.map { port in
                """
                    chain prerouting {
                        type nat hook prerouting priority dstnat; policy accept;
                        iifname "\(bridge)" ip daddr \(subnet.gateway) tcp dport 80 redirect to :\(port)
                    }

                """
            } ?? ""
        return """
            add table inet \(table)
            delete table inet \(table)
            table inet \(table) {
                chain forward {
                    type filter hook forward priority filter; policy accept;
                    iifname "\(bridge)" oifname "\(bridge)" reject with icmpx type admin-prohibited
                    iifname "\(bridge)" ip saddr != \(subnet) drop
            \(beyond)        oifname "\(bridge)" ct state established,related accept
                    oifname "\(bridge)" drop
                }
            \(translation)\(redirection)}

            """
    }

    private func run(_ rules: String) throws(ContainerError) {
        let operation = "set packet rules of table \(table)"
        let (status, output) = try runProgram("nft", ["-f", "-"], input: rules, operation: operation)
        guard status == 0 else {
            throw ContainerError(.kernelRefused, "cannot \(operation)", cause: "nft: \(output)")
        }
    }
}

/// Runs a program found on the system's usual paths to its end, and gives its exit status and what it said. Blocks.
private func runProgram(
    _ name: String, _ arguments: [String], input: String, operation: String
) throws(ContainerError) -> (status: Int32, output: String) {
    let places = ["/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin"].map { "\($0)/\(name)" }
    guard let path = places.first(where: { access($0, X_OK) == 0 }) else {
        throw ContainerError(.resourceMissing, "cannot \(operation): \(name) is not installed; install the nftables package")
    }
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
        throw ContainerError(.resourceMissing, "cannot \(operation)", cause: "socketpair: \(errorText(errno))")
    }
    defer { close(ends[0]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for standard in Int32(0)...2 { posix_spawn_file_actions_adddup2(&actions, ends[1], standard) }
    var argv: [UnsafeMutablePointer<CChar>?] = []
    for argument in [path] + arguments { argv.append(strdup(argument)) }
    argv.append(nil)
    defer { for argument in argv { free(argument) } }
    var process: pid_t = 0
    let refused = posix_spawn(&process, path, &actions, nil, &argv, environ)
    close(ends[1])
    guard refused == 0 else {
        throw ContainerError(.resourceMissing, "cannot \(operation)", cause: "\(path): \(errorText(refused))")
    }
    // Rules are far smaller than a socket's buffer, so sending never waits for the reader; MSG_NOSIGNAL since it may have died.
    let text = Array(input.utf8)
    _ = send(ends[0], text, text.count, Int32(MSG_NOSIGNAL))
    shutdown(ends[0], Int32(SHUT_WR))
    let output = readAll(ends[0]) ?? ""
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    return (status, output)
}
