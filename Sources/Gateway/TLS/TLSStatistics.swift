import Synchronization
import TLS

/// Counts what became of TLS handshakes, over all loops.
final class TLSStatistics: Sendable {
    enum Outcome: Int, CaseIterable {
        case full, resumed, failed
        /// Not done within the time for it.
        case timedOut
        /// Pushed out by newer ones, as in a flood.
        case evicted

        var name: String { self == .timedOut ? "timeout" : "\(self)" }
    }

    private let outcomes = InlineArray<5, Atomic<UInt64>> { _ in Atomic(0) }
    private let underway = Atomic<Int>(0)
    private let faults = Atomic<Int>(0)

    func count(_ outcome: Outcome) { outcomes[outcome.rawValue].wrappingAdd(1, ordering: .relaxed) }
    func open(_ change: Int) { underway.wrappingAdd(change, ordering: .relaxed) }
    /// How many pairs of files the last reading could not use.
    func faulty(_ count: Int) { faults.store(count, ordering: .relaxed) }

    /// Lines for Prometheus.
    func text(_ certificates: CertificateSet) -> String {
        var text = """
            # HELP sidekick_gateway_tls_handshakes_total TLS handshakes that ended, by outcome.
            # TYPE sidekick_gateway_tls_handshakes_total counter

            """
        for outcome in Outcome.allCases {
            let count = outcomes[outcome.rawValue].load(ordering: .relaxed)
            text += "sidekick_gateway_tls_handshakes_total{outcome=\"\(outcome.name)\"} \(count)\n"
        }
        text += """
            # HELP sidekick_gateway_tls_handshakes_open TLS handshakes under way now.
            # TYPE sidekick_gateway_tls_handshakes_open gauge
            sidekick_gateway_tls_handshakes_open \(underway.load(ordering: .relaxed))
            # HELP sidekick_gateway_certificate_faults Certificates whose files could not be used when they were last read.
            # TYPE sidekick_gateway_certificate_faults gauge
            sidekick_gateway_certificate_faults \(faults.load(ordering: .relaxed))
            # HELP sidekick_gateway_certificate_expiry_seconds When a certificate ends to be valid, in seconds since 1970.
            # TYPE sidekick_gateway_certificate_expiry_seconds gauge

            """
        for certificate in certificates.certificates {
            let name = certificate.name.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            text += "sidekick_gateway_certificate_expiry_seconds{certificate=\"\(name)\"} \(certificate.expires)\n"
        }
        return text
    }
}
