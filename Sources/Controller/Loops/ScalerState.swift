import FoundationEssentials
import Orchestration
import SidekickModel

/// What the controller remembers of a service's scaling, between steps and over restarts.
struct ScalerState: Sendable, Codable, Hashable {
    /// nil until the autoscaler was first asked.
    var scaler: Autoscaler?
    var starts = StartTimes()
    /// Since this controller started, hence not kept.
    var steppedAt: Instant?
    var savedAt: Instant?

    private enum CodingKeys: String, CodingKey { case scaler, starts }

    init() {}

    /// Memory that does not read (another version wrote it) is as good as none: the scaler learns anew.
    init(text: String) {
        self = (try? JSONDecoder().decode(ScalerState.self, from: Data(text.utf8))) ?? ScalerState()
    }

    /// - Throws: when a number in it is not finite.
    func text() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
