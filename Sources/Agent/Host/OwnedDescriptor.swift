import Glibc

/// Closes its file descriptor with its last reference.
final class OwnedDescriptor: Sendable {
    let number: Int32
    init(_ number: Int32) { self.number = number }
    deinit { close(number) }
}
