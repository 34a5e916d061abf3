import EventLoop
import SidekickModel
import Synchronization

/// Numbers for replica addresses, so that loops find their connections to one by index. A number stands for one address, and what is
/// spoken there, for ever.
final class TargetTable: Sendable {
    private struct Target: Hashable {
        var address: SocketAddress
        var speaks: PortProtocol
    }

    private struct State {
        var numbers: [Target: Int32] = [:]
        var targets: [Target] = []
    }

    private let state = Mutex(State())

    func number(of address: SocketAddress, speaking speaks: PortProtocol) -> Int32 {
        let target = Target(address: address, speaks: speaks)
        return state.withLock { state in
            if let known = state.numbers[target] { return known }
            let number = Int32(state.targets.count)
            state.targets.append(target)
            state.numbers[target] = number
            return number
        }
    }

    /// What a number that `number(of:speaking:)` returned stands for.
    func target(_ number: Int32) -> (address: SocketAddress, speaks: PortProtocol) {
        let target = state.withLock { $0.targets[Int(number)] }
        return (target.address, target.speaks)
    }
}
