import LinuxShims

/// A system call that failed: what was being done, to what, and the error number. The message says all three.
package struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was being done, such as `listen on`.
    package var operation: String
    /// To what, such as an address.
    package var object: String
    /// The positive errno.
    package var number: Int32

    package init(operation: String, object: String, number: Int32) {
        self.operation = operation
        self.object = object
        self.number = number
    }

    package var description: String { "cannot \(operation) \(object): \(Self.text(number))" }

    /// The system's words for an error number.
    package static func text(_ number: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let base = buffer.baseAddress else { return "error \(number)" }
            sk_error_text(number, base, buffer.count)
            return String(cString: base)
        }
    }

    /// Passes on a result of a shim, or throws its negative errno.
    static func check(
        _ result: Int32, _ operation: String, _ object: @autoclosure () -> String
    ) throws(SystemError) -> Int32 {
        guard result >= 0 else { throw SystemError(operation: operation, object: object(), number: -result) }
        return result
    }
}
