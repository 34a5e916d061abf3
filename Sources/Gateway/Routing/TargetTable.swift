import EventLoop
import Synchronization

/// Numbers for replica addresses, so that loops find their connections to one by index. A number stands for one address for ever.
final class TargetTable: Sendable {
    private struct State {
        var numbers: [SocketAddress: Int32] = [:]
        var addresses: [SocketAddress] = []
    }

    private let state = Mutex(State())

    func number(of address: SocketAddress) -> Int32 {
        state.withLock { state in
            if let known = state.numbers[address] { return known }
            let number = Int32(state.addresses.count)
            state.addresses.append(address)
            state.numbers[address] = number
            return number
        }
    }

    /// The address of a number that `number(of:)` returned.
    func address(of number: Int32) -> SocketAddress { state.withLock { $0.addresses[Int(number)] } }
}
