import Glibc
import LinuxShims

/// A routing socket that ends with its owner. One thread at a time.
struct Netlink: ~Copyable {
    private var socket = sk_netlink()

    /// In the calling thread's network namespace, or in that of an open `/proc/PID/ns/net`.
    init(in namespace: Int32? = nil) throws(ContainerError) {
        let result = namespace.map { sk_netlink_open_in(&socket, $0) } ?? sk_netlink_open(&socket)
        guard result == 0 else {
            throw ContainerError(
                .kernelRefused, "cannot open a netlink socket\(namespace == nil ? "" : " in the container's network namespace")",
                cause: errorText(-result))
        }
    }

    deinit {
        var last = socket
        sk_netlink_close(&last)
    }

    /// Does one call; a negative answer is thrown unless it is one of `ignoring`.
    @discardableResult
    mutating func call(
        _ operation: @autoclosure () -> String, ignoring: [Int32] = [], _ body: (inout sk_netlink) -> Int32
    ) throws(ContainerError) -> Int32 {
        let result = body(&socket)
        guard result < 0, !ignoring.contains(-result) else { return result }
        let explanation = String(cString: sk_netlink_explanation(&socket))
        throw ContainerError(
            -result == EEXIST ? .alreadyExists : .kernelRefused, "cannot \(operation())",
            cause: errorText(-result) + (explanation.isEmpty ? "" : " (\(explanation))"))
    }
}

/// The kernel's words for an error number.
func errorText(_ number: Int32) -> String {
    String(cString: strerror(number))
}

/// Fills a fixed C array of an interface's name; names are checked to be shorter than 16 bytes by their makers.
func withInterfaceName<T>(_ name: String, _ field: inout T) {
    withUnsafeMutableBytes(of: &field) { bytes in
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        for (index, byte) in name.utf8.prefix(bytes.count - 1).enumerated() { bytes[index] = byte }
    }
}
