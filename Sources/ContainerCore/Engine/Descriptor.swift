import Glibc
import LinuxShims

/// A file descriptor that closes with its last reference.
package final class Descriptor: Sendable {
    package let number: Int32

    /// Takes over `number`, the answer of a shim: a descriptor, or a negative error number.
    package init(_ number: Int32, _ operation: @autoclosure () -> String) throws(ContainerError) {
        guard number >= 0 else {
            throw ContainerError(.kernelRefused, "cannot \(operation())", cause: systemText(-number))
        }
        self.number = number
    }

    /// A directory to name things below.
    package static func directory(_ path: String) throws(ContainerError) -> Descriptor {
        let number = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        return try Descriptor(number < 0 ? -errno : number, "open directory \(path)")
    }

    deinit { close(number) }
}

/// Told the name of each step that makes, changes or removes something, right after it: what a test walks to die at each of them.
package typealias StepObserver = @Sendable (StaticString) -> Void

/// The kernel's words for an error number.
package func systemText(_ number: Int32) -> String { String(cString: strerror(number)) }
