import Glibc

/// The whole of a kernel file of at most 64 KiB (`/proc`, `/sys`, cgroups), nil when it cannot be read.
package func readSmallFile(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    return readAll(descriptor)
}

/// What can be read from a kernel file's descriptor, nil on an error.
package func readAll(_ descriptor: Int32) -> String? {
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while true {
        let count = read(descriptor, &buffer, buffer.count)
        if count > 0 {
            text += buffer[..<count]
        } else if count == 0 {
            return String(decoding: text, as: UTF8.self)
        } else if errno != EINTR {
            return nil
        }
    }
}

/// Writes a kernel file in one call, as they demand.
package func writeSmallFile(_ path: String, _ text: String, _ operation: @autoclosure () -> String) throws(ContainerError) {
    let number = writeKernelFile(path, text)
    guard number == 0 else {
        throw ContainerError(.kernelRefused, "cannot \(operation())", cause: "write \(path) \(text): \(errorText(number))")
    }
}

/// Writes a kernel file in one call and gives the error number, 0 for success.
package func writeKernelFile(_ path: String, _ text: String) -> Int32 {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return errno }
    defer { close(descriptor) }
    while true {
        let count = text.withCString { write(descriptor, $0, text.utf8.count) }
        if count >= 0 { return 0 }
        if errno != EINTR { return errno }
    }
}
