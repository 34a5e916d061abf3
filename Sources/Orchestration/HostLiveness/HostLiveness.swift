package import SidekickModel

/// Tells from sessions and silence whether each host is alive.
///
/// Silence is counted in *watched* time: the time during which this controller looked, in steps no longer than `stepLimit`. A
/// controller that was suspended, starved or started anew, or whose clock jumped, therefore blames no host for what it did not
/// see itself.
package struct HostLiveness: Sendable, Hashable {
    /// How long each state lasts.
    package struct Durations: Sendable, Hashable {
        /// How long after the start a host that has not reported yet stays `unknown`.
        package var grace: Milliseconds
        /// Silence on an open session after which the host is `suspected`.
        package var silence: Milliseconds
        /// Silence, or a broken session, after which the host is `lost`; counted from the last word heard.
        package var loss: Milliseconds
        /// The longest step between two calls of `advance` that counts in full.
        package var stepLimit: Milliseconds

        package init(
            grace: Milliseconds = .seconds(60), silence: Milliseconds = .seconds(5), loss: Milliseconds = .seconds(30),
            stepLimit: Milliseconds = .seconds(2)
        ) {
            self.grace = grace
            self.silence = silence
            self.loss = loss
            self.stepLimit = stepLimit
        }
    }

    private struct Contact: Sendable, Hashable {
        var connected: Bool
        /// In watched nanoseconds.
        var heard: Int64
    }

    private let durations: Durations
    private var contacts: [String: Contact] = [:]
    private var watched: Int64 = 0
    private var lastLooked: Instant

    /// `now` is monotonic, here and below.
    package init(durations: Durations = Durations(), now: Instant) {
        self.durations = durations
        lastLooked = now
    }

    /// To be called at least each second, and before each `liveness`.
    package mutating func advance(to now: Instant) {
        let step = now.nanoseconds - lastLooked.nanoseconds
        lastLooked = now
        watched += min(max(step, 0), durations.stepLimit.nanoseconds)
    }

    /// A session began.
    package mutating func connected(_ host: String, now: Instant) {
        advance(to: now)
        contacts[host] = Contact(connected: true, heard: watched)
    }

    /// Anything at all arrived on the host's session.
    package mutating func heard(_ host: String, now: Instant) {
        advance(to: now)
        guard contacts[host]?.connected == true else { return }
        contacts[host]?.heard = watched
    }

    /// The session ended.
    package mutating func disconnected(_ host: String, now: Instant) {
        advance(to: now)
        contacts[host]?.connected = false
    }

    /// The host was removed from the fleet.
    package mutating func removed(_ host: String) { contacts[host] = nil }

    package func liveness(of host: String) -> HostView.Liveness {
        guard let contact = contacts[host] else { return watched < durations.grace.nanoseconds ? .unknown : .lost }
        let silent = watched - contact.heard
        if silent >= durations.loss.nanoseconds { return .lost }
        if !contact.connected || silent >= durations.silence.nanoseconds { return .suspected }
        return .alive
    }
}
