import Glibc

/// Links with an IPv4 default route in the calling thread's network namespace.
func defaultRouteLinks() -> [String] {
    // Columns: link, destination, gateway, flags, reference count, use, metric, mask; one header line (Documentation/networking, fib_trie).
    let lines = (readSmallFile("/proc/thread-self/net/route") ?? "").split(separator: "\n").dropFirst()
    let links = lines.compactMap { line -> String? in
        let columns = line.split(whereSeparator: \.isWhitespace)
        return columns.count > 7 && columns[1] == "00000000" && columns[7] == "00000000" ? String(columns[0]) : nil
    }
    return Set(links).sorted()
}

/// Lets the kernel forward what comes in through that link. Per link, so that the host's other links stay as its owner set them.
func allowForwarding(_ link: String) throws(ContainerError) {
    let path = "/proc/sys/net/ipv4/conf/\(link)/forwarding"
    if readSmallFile(path)?.first == "1" { return }
    try writeSmallFile(path, "1", "allow forwarding through \(link)")
}
