import Glibc

/// One directory of a cgroup file system.
package struct CgroupDirectory: Hashable, Sendable {
    package let path: String

    package init(path: String) { self.path = path }

    package subscript(child: String) -> CgroupDirectory { CgroupDirectory(path: "\(path)/\(child)") }

    package var exists: Bool { access(path, F_OK) == 0 }

    /// Makes it; false when it was there.
    package func make() throws(ContainerError) -> Bool {
        if mkdir(path, 0o755) == 0 { return true }
        let number = errno
        guard number == EEXIST else {
            throw ContainerError(.kernelRefused, "cannot make control group \(path)", cause: errorText(number))
        }
        return false
    }

    package func has(_ file: String) -> Bool { access("\(path)/\(file)", F_OK) == 0 }

    /// A file's text, nil when there is none.
    package func read(_ file: String) -> String? { readSmallFile("\(path)/\(file)") }

    /// A file's only number; 0 when there is none, Int64.max for `max`.
    package func number(_ file: String) -> Int64 {
        let text = (read(file) ?? "").trimmed
        return text == "max" ? .max : Int64(text) ?? 0
    }

    /// Reads a file of `KEY NUMBER` lines.
    package func numbers(_ file: String) -> [String: Int64] {
        var numbers: [String: Int64] = [:]
        for line in (read(file) ?? "").split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, let number = Int64(words[1]) { numbers[String(words[0])] = number }
        }
        return numbers
    }

    package func write(_ file: String, _ text: String) throws(ContainerError) {
        try writeSmallFile("\(path)/\(file)", text, "set \(file) of control group \(path)")
    }

    /// Processes in it and below.
    package func processes() -> [Int32] {
        var found = (read("cgroup.procs") ?? "").split(separator: "\n").compactMap { Int32($0) }
        for child in children() { found += self[child].processes() }
        return found
    }

    /// Names of the groups right below, sorted.
    package func children() -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            guard entry.pointee.d_type == UInt8(DT_DIR) else { continue }
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Removes it with all below; false while the kernel still finds processes there. What is not there counts as removed.
    package func remove() throws(ContainerError) -> Bool {
        if rmdir(path) == 0 { return true }
        switch errno {
        case ENOENT: return true
        case EBUSY, ENOTEMPTY: break
        case let number: throw ContainerError(.kernelRefused, "cannot remove control group \(path)", cause: errorText(number))
        }
        for child in children() where try !self[child].remove() { return false }
        if rmdir(path) == 0 || errno == ENOENT { return true }
        let number = errno
        guard number == EBUSY || number == ENOTEMPTY else {
            throw ContainerError(.kernelRefused, "cannot remove control group \(path)", cause: errorText(number))
        }
        return false
    }
}

/// Asks again and again, at first at once and then after pauses of up to two milliseconds, until the answer is true or the time is over.
/// An event file ends a pause early where there is one: notifications alone will not do, since the kernel spaces them.
package func ask(
    milliseconds: Int64, event file: String? = nil, _ answer: () throws(ContainerError) -> Bool
) throws(ContainerError) -> Bool {
    let began = ContinuousClock.now
    let descriptor = file.map { open($0, O_RDONLY | O_CLOEXEC) } ?? -1
    defer { if descriptor >= 0 { close(descriptor) } }
    var microseconds = 0
    while true {
        if descriptor >= 0 { _ = readAll(descriptor) }
        if try answer() { return true }
        if ContinuousClock.now - began > .milliseconds(milliseconds) { return false }
        if microseconds == 0 {
            sched_yield()
        } else if descriptor >= 0 && microseconds >= 1000 {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLPRI), revents: 0)
            poll(&waiting, 1, Int32(microseconds / 1000))
            lseek(descriptor, 0, SEEK_SET)
        } else {
            usleep(UInt32(microseconds))
        }
        microseconds = min(max(microseconds * 2, 20), 2000)
    }
}

extension StringProtocol {
    package var trimmed: SubSequence { self.drop { $0.isWhitespace }.prefix { !$0.isWhitespace } }
}
