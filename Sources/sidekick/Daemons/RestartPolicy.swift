/// When an ended daemon is started again. Pure: the shell measures and acts.
struct RestartPolicy {
    enum Verdict: Equatable {
        case restart(afterMilliseconds: Int)
        /// It refused to run at all: starting it again would not help.
        case giveUp
    }

    /// Exit code by which a daemon says that its configuration cannot work, such as a port already taken.
    static let refused: Int32 = 2
    /// A daemon that ran this long starts again at once.
    private static let settledSeconds = 5.0
    private static let longestDelay = 5000

    private var quickEnds = 0
    private var wasReady = false

    mutating func ready() { wasReady = true }

    mutating func ended(code: Int32, afterSeconds seconds: Double) -> Verdict {
        if code == Self.refused, !wasReady { return .giveUp }
        if seconds >= Self.settledSeconds { quickEnds = 0 }
        defer { quickEnds += 1 }
        // The first restart is immediate: a killed gateway must serve again within a second.
        return .restart(afterMilliseconds: quickEnds == 0 ? 0 : min(Self.longestDelay, 50 << min(quickEnds, 10)))
    }
}
