import HTTPFraming
import SidekickModel
import Synchronization

/// How gateways of one fleet know one another, and what they say of a request beside it: the field
/// `sidekick-peer: SECRET MILLISECONDS AUTHORITY` with how long the request has waited and the service's internal name.
///
/// The secret protects from whoever reaches the listener, not from whoever reads the network: what goes between hosts is as open as the
/// requests themselves.
final class Peering: Sendable {
    /// What the field says.
    struct Visit {
        var waited: Milliseconds
        /// Within the bytes that were read.
        var authority: UnsafeRawBufferPointer
    }

    private let secret = Mutex<[UInt8]>([])

    /// An empty secret trusts nobody.
    func set(_ text: String) { secret.withLock { $0 = Array(text.utf8) } }
    var isSet: Bool { secret.withLock { !$0.isEmpty } }

    /// The line for a request that goes to a peer.
    func line(service: String, waited: Milliseconds, into out: inout ByteQueue) {
        let secret = secret.withLock { $0 }
        out.append("sidekick-peer: ")
        out.append(secret)
        out.append(text: " \(max(0, waited.count)) \(service)\(InternalName.suffix)\r\n")
    }

    /// Reads the field's value; nil when it does not come from a gateway of this fleet. Takes as long whatever the secret it names.
    func visit(_ value: UnsafeRawBufferPointer) -> Visit? {
        let secret = secret.withLock { $0 }
        guard !secret.isEmpty, value.count > secret.count + 3 else { return nil }
        var difference: UInt8 = 0
        for index in secret.indices { difference |= secret[index] ^ value[index] }
        guard difference == 0, value[secret.count] == 0x20 else { return nil }
        var waited: Int64 = 0
        var index = secret.count + 1
        while index < value.count, value[index] &- 0x30 < 10 {
            guard waited < 1 << 40 else { return nil }
            waited = waited * 10 + Int64(value[index] - 0x30)
            index += 1
        }
        guard index > secret.count + 1, index + 1 < value.count, value[index] == 0x20 else { return nil }
        return Visit(waited: Milliseconds(waited), authority: UnsafeRawBufferPointer(rebasing: value[(index + 1)...]))
    }
}
