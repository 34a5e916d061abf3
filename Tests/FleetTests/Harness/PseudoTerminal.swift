import Foundation
import Synchronization

/// A terminal with nobody at it but the test.
final class PseudoTerminal: Sendable {
    private let master: Int32
    private let slave: Int32
    private let shown = Mutex("")

    init(rows: UInt16, columns: UInt16) throws {
        // TIOCSPTLCK and TIOCGPTPEER of ioctl_tty(2), whose macros Swift does not see.
        master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        var unlocked: Int32 = 0
        _ = ioctl(master, 0x4004_5431, &unlocked)
        slave = ioctl(master, 0x5441, O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard slave >= 0 else { throw HarnessError("no terminal: \(String(cString: strerror(errno)))") }
        resize(rows: rows, columns: columns)
        let master = master
        Thread.detachNewThread { [weak self] in
            var bytes = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = read(master, &bytes, bytes.count)
                guard count > 0, let self else { return }
                shown.withLock { $0 += String(decoding: bytes[..<count], as: UTF8.self) }
            }
        }
    }

    deinit {
        close(slave)
        close(master)
    }

    /// For the streams of a process.
    var operatorSide: FileHandle { FileHandle(fileDescriptor: slave, closeOnDealloc: false) }

    var text: String { shown.withLock { $0 } }

    var isRaw: Bool {
        var settings = termios()
        return tcgetattr(slave, &settings) == 0 && settings.c_lflag & tcflag_t(ICANON | ECHO) == 0
    }

    func type(_ text: String) { _ = write(master, text, text.utf8.count) }

    func resize(rows: UInt16, columns: UInt16) {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(master, UInt(TIOCSWINSZ), &size)
    }

    /// Returns when this is shown after what was waited for last.
    func wait(for wanted: String) async throws {
        for _ in 0..<1_000 {
            let found = shown.withLock { text in
                guard let place = text.range(of: wanted) else { return false }
                text = String(text[place.upperBound...])
                return true
            }
            if found { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw HarnessError("the terminal does not show ‘\(wanted)’ but ‘\(text.suffix(400))’")
    }
}

extension Process {
    func end() async {
        for _ in 0..<1_500 where isRunning { try? await Task.sleep(for: .milliseconds(20)) }
    }
}
