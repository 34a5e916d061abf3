import ControlAPI
import Glibc

/// Why a verb ends without having done its work.
struct CommandFailure: Error {
    /// Exit codes, as `sidekick --help` documents them.
    enum Status: Int32 {
        case failed = 1
        case refused = 2
        case unreachable = 3
        case deadline = 4
    }

    let status: Status
    let message: String

    init(_ status: Status, _ message: String) {
        self.status = status
        self.message = message
    }

    init(_ failure: APIFailure) {
        switch failure.code {
        case .invalid, .conflict, .notFound: self.init(.refused, failure.description)
        case .unreachable: self.init(.unreachable, failure.description)
        case .unavailable, .internalFailure: self.init(.failed, failure.description)
        }
    }
}

enum StandardError {
    static func write(_ text: String) {
        var text = text
        text.withUTF8 { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

enum StandardOutput {
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Writes all of it at once, so that a line shows as soon as it is complete.
    static func write(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { buffer in
            var rest = buffer[...]
            while !rest.isEmpty {
                let count = Glibc.write(STDOUT_FILENO, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return }
            }
        }
    }

    static func line(_ text: String) { write(Array((text + "\n").utf8)) }
}
