import ArgumentParser
import FoundationEssentials
import Glibc
import LinuxShims
import Logging

/// What every daemon takes.
struct DaemonOptions: ParsableArguments {
    @Flag(help: ArgumentHelp("End when the process that started this one does.", visibility: .hidden)) var dieWithParent = false
    @Option(help: ArgumentHelp("How much is logged: debug, info, notice, warning or error.", valueName: "level")) var logLevel =
        LogLevel.notice

    enum LogLevel: String, ExpressibleByArgument, CaseIterable { case debug, info, notice, warning, error }

    func logger(_ name: String) -> Logger {
        // A parent that is already gone would never be noticed.
        if dieWithParent, sk_die_with_parent(SIGTERM) != 0 || getppid() == 1 { Glibc.exit(1) }
        var logger = Logger(label: name) { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = Logger.Level(rawValue: logLevel.rawValue) ?? .notice
        return logger
    }

    static func secret(_ file: String) throws -> String {
        guard let data = FileManager.default.contents(atPath: file), let text = String(data: data, encoding: .utf8) else {
            throw CommandFailure(.refused, "--secret-file \(file): \(String(cString: strerror(errno)))")
        }
        return text.filter { !$0.isWhitespace }
    }
}
