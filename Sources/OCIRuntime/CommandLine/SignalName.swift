import Glibc

/// Signals by name, with or without SIG, or by number.
enum SignalName {
    private static let names = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
        "STKFLT",
        "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ]
    private static let realTime: ClosedRange<Int32> = 34...64

    static func number(_ text: String) throws -> Int32 {
        if let number = Int32(text) {
            guard (0...64).contains(number) else { throw invalid("signal \(text) does not exist; there are 1 to 64") }
            return number
        }
        let name = text.uppercased().hasPrefix("SIG") ? String(text.uppercased().dropFirst(3)) : text.uppercased()
        if let index = names.firstIndex(of: name) { return Int32(index) + 1 }
        if name == "IOT" { return SIGABRT }
        if name == "POLL" { return SIGIO }
        if name == "CLD" { return SIGCHLD }
        if name.hasPrefix("RTMIN"), let more = Int32(name.dropFirst(5).isEmpty ? "0" : name.dropFirst(5)),
            realTime.contains(34 + more)
        {
            return 34 + more
        }
        if name.hasPrefix("RTMAX"), let less = Int32(name.dropFirst(5).isEmpty ? "0" : name.dropFirst(5)),
            realTime.contains(64 + less)
        {
            return 64 + less
        }
        throw invalid("signal \(text) does not exist; names are such as TERM")
    }
}
