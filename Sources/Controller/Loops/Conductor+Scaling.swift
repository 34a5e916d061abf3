import ControllerStore
import Orchestration
import SidekickModel

extension Conductor {
    func isScalerDue(_ service: FleetBook.Service, now: Instant) -> Bool { false }

    /// Asks the autoscaler about one service; the writes that follow.
    func scale(_ name: String, hosts: [HostView], now: Instant) -> [FleetWrite] { [] }
}
