import EventLoop
import Glibc
import LinuxShims
import Logging
import SidekickModel
import TLS

/// Has certificates read again when files of their directory change, and now and then, for changes that nobody tells of (the target of a
/// link, a network file system).
final class CertificateWatch: EventHandler {
    private enum Tag: Int { case settled, unasked }

    /// Files are quiet for this long before they are read: a certificate and its key do not change in one step.
    private static let settling = Milliseconds(300)
    private static let unasked = Milliseconds.seconds(60)
    private static let events = UInt32(IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB)

    private let tls: GatewayTLS
    private let loop: EventLoop
    private var notifier: Descriptor?
    private var timer: TimerID?

    init(_ tls: GatewayTLS, loop: EventLoop, log: Logger) {
        self.tls = tls
        self.loop = loop
        do throws(SystemError) {
            let notifier = try Descriptor(
                owning: inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK)), operation: "watch", object: tls.directory.path)
            _ = try loop.register(notifier, self)
            self.notifier = consume notifier
        } catch {
            log.warning("\(error); changed certificates are read every \(Self.unasked) and on HUP only")
        }
        watchDirectories()
        _ = loop.schedule(at: loop.now + Self.unasked, self, tag: Tag.unasked.rawValue)
    }

    func ready(_ readiness: Readiness) {
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) { buffer in
            switch notifier {
            case .some(let notifier): while notifier.read(into: buffer) > 0 {}
            case .none: break
            }
        }
        if let timer, loop.reschedule(timer, at: loop.now + Self.settling) { return }
        timer = loop.schedule(at: loop.now + Self.settling, self, tag: Tag.settled.rawValue)
    }

    func expired(_ tag: Int) {
        if tag == Tag.unasked.rawValue { _ = loop.schedule(at: loop.now + Self.unasked, self, tag: tag) }
        reload()
    }

    func reload() {
        // First the watching: what changes after it is told of.
        watchDirectories()
        tls.reload()
    }

    /// Adding one that is watched changes nothing.
    private func watchDirectories() {
        switch notifier {
        case .some(let notifier):
            for directory in tls.directory.directories { inotify_add_watch(notifier.number, directory, Self.events) }
        case .none: break
        }
    }
}
