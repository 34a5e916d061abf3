package import EventLoop
package import SidekickModel

/// What to send, where to, and how fast.
package struct LoadPlan: Sendable {
    package enum Mode: Hashable, Sendable {
        /// Requests leave when the phases say so, however slowly earlier ones are answered.
        case open
        /// This many connections, each sending its next request when the last was answered; the phases' rates mean nothing. For
        /// benchmarks of throughput: its latencies say little (coordinated omission).
        case closed(connections: Int)
    }

    /// Only this address is ever connected to; no name is looked up.
    package var address: SocketAddress
    /// The Host field.
    package var host: String
    package var method = "GET"
    /// Path and query.
    package var target: String
    /// Further header fields.
    package var headers: [(name: String, value: String)] = []
    package var body: [UInt8] = []
    package var mode = Mode.open
    package var phases: [LoadPhase] = []
    /// The most connections open at once; requests beyond wait, and their wait counts.
    package var maximumConnections = 1024
    /// From the moment a request is due.
    package var timeout = Milliseconds.seconds(30)
    /// An idle connection is closed by us after this long, before a server's own limit could cross with a request.
    package var idleLimit = Milliseconds.seconds(4)
    /// Where to write the ledger, one JSON object a line for each request; nil for none.
    package var ledgerPath: String?
    /// Whether the report carries the record of every request; failed ones are always there (the first thousand).
    package var keepsRecords = false

    /// - Parameter url: `http://ADDRESS[:PORT][/PATH]`, the address in numbers or `localhost` (which means 127.0.0.1).
    package init(url: String) throws(LoadError) {
        func refuse(_ why: String) -> LoadError { LoadError("cannot send load to ‘\(url)’: \(why)") }
        guard url.hasPrefix("http://") else { throw refuse("it must start with http://") }
        let rest = url.dropFirst(7)
        let slash = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        let authority = String(rest[..<slash])
        let path = String(rest[slash...])
        target = path.hasPrefix("/") ? path : "/" + path
        guard target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { throw refuse("its path has a space or a control byte") }
        host = authority
        var numeric = authority
        if numeric == "localhost" || numeric.hasPrefix("localhost:") { numeric = "127.0.0.1" + numeric.dropFirst(9) }
        let hasPort = numeric.hasPrefix("[") ? numeric.contains("]:") : numeric.contains(":")
        guard let address = SocketAddress(text: hasPort ? numeric : numeric + ":80") else {
            throw refuse("‘\(authority)’ is not an address in numbers with an optional port, such as 127.0.0.1:8080")
        }
        self.address = address
    }

    /// The request's bytes up to its id, and from behind it.
    func requestParts() throws(LoadError) -> (before: [UInt8], after: [UInt8]) {
        var text = "\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\n"
        for (name, value) in headers {
            guard !name.isEmpty, (name + value).utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                throw LoadError("cannot send header ‘\(name)’: it is empty or has a control byte")
            }
            text += "\(name): \(value)\r\n"
        }
        if !body.isEmpty { text += "Content-Length: \(body.count)\r\n" }
        return (Array("\(text)X-Request-Id: ".utf8), Array("\r\n\r\n".utf8) + body)
    }
}

/// Why a load could not be run at all. (A request that fails is no error but a line of the report.)
package struct LoadError: Error, Hashable, Sendable, CustomStringConvertible {
    package var message: String

    package init(_ message: String) { self.message = message }
    package var description: String { message }
}
