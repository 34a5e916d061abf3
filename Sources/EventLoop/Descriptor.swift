import Glibc
import LinuxShims

/// A descriptor that is no socket, and its only owner: it closes when destroyed.
package struct Descriptor: ~Copyable {
    package let number: Int32

    /// Takes over what a system call returned; one below 0 is thrown with the calling thread's errno.
    package init(owning number: Int32, operation: String, object: String) throws(SystemError) {
        guard number >= 0 else { throw SystemError(operation: operation, object: object, number: errno) }
        self.number = number
    }

    deinit { _ = sk_close(number) }

    /// Reads once: a count, 0 at the end, or the negative errno.
    package borrowing func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = Glibc.read(number, buffer.baseAddress, buffer.count)
        return count < 0 ? -Int(errno) : count
    }
}
