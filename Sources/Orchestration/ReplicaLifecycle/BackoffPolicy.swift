package import SidekickModel

/// How long a replica that failed waits before it is tried again: `initial`, doubled with each further failure in a row, at most
/// `maximum`. So 200 ms, 400 ms, 800 ms … 25.6 s, 30 s, 30 s: a crash loop costs two starts a minute.
package struct BackoffPolicy: Hashable, Sendable {
    package var initial = Milliseconds(200)
    package var maximum = Milliseconds.seconds(30)
    /// Ready for this long, and earlier failures are forgiven.
    package var forgiveAfter = Milliseconds.seconds(30)
    /// How long a killed process may take to go, and how long until a removal that failed is tried again.
    package var retry = Milliseconds.seconds(2)

    package init() {}

    /// The wait after the given number of failures in a row, 1 or more.
    package func wait(failures: Int) -> Milliseconds {
        let doublings = min(max(failures - 1, 0), 30)
        return min(maximum, Milliseconds(initial.count << Int64(doublings)))
    }
}
