import FoundationEssentials
import Glibc
import Synchronization

/// Where the runtime says what went wrong: standard error, and the log file that clients read.
enum RuntimeLog {
    struct Destination: Sendable {
        var file: String?
        var isJSON = false
        var isDebug = false
    }

    private static let destination = Mutex(Destination())
    private static let name = Mutex("sidekick-runtime")

    static func set(_ new: Destination) { destination.withLock { $0 = new } }

    static func fail(_ message: String) { write("error", message) }
    static func warn(_ message: String) { write("warning", message) }
    static func debug(_ message: @autoclosure () -> String) {
        if destination.withLock({ $0.isDebug }) { write("debug", message()) }
    }

    private struct Line: Encodable {
        var msg: String
        var level: String
        var time: String
    }

    private static func write(_ level: String, _ message: String) {
        let place = destination.withLock { $0 }
        let time = Date.now.formatted(.iso8601)
        var text = "time=\"\(time)\" level=\(level) msg=\"\(message.replacing("\"", with: "\\\""))\"\n"
        if place.isJSON, let json = try? JSONEncoder().encode(Line(msg: message, level: level, time: time)) {
            text = String(decoding: json, as: UTF8.self) + "\n"
        }
        var toErrors =
            place.isJSON && place.file == nil ? text : "sidekick-runtime: \(level == "error" ? "" : "\(level): ")\(message)\n"
        if let file = place.file {
            let log = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o600)
            if log >= 0 {
                put(log, text)
                close(log)
                // What is no error is for the log alone.
                if level != "error" { toErrors = "" }
            }
        }
        if !toErrors.isEmpty { put(STDERR_FILENO, toErrors) }
    }

    private static func put(_ descriptor: Int32, _ text: String) {
        var text = text
        text.withUTF8 { _ = Glibc.write(descriptor, $0.baseAddress, $0.count) }
    }
}
