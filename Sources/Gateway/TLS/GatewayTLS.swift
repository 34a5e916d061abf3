import LinuxShims
import Logging
import Synchronization
import TLS

/// The gateway's certificates and what it speaks with them; one for all loops.
final class GatewayTLS: Sendable {
    /// Before its end a certificate should have been renewed.
    private static let warningDays: Int64 = 14

    let server: TLSServer
    let directory: CertificateDirectory
    let statistics = TLSStatistics()
    private let protocols: ApplicationProtocols
    private let log: Logger

    /// Reads the directory; throws when there is not one certificate that can be used.
    init(directory path: String, _ protocols: ApplicationProtocols, log: Logger) throws(TLSError) {
        self.protocols = protocols
        self.log = log
        directory = CertificateDirectory(path: path)
        let contents = directory.read(.empty, protocols)
        guard !contents.set.certificates.isEmpty else {
            throw contents.faults.first
                ?? TLSError(
                    "serve TLS with", path,
                    reason: "it has no NAME.crt with NAME.key and no NAME/fullchain.pem with NAME/privkey.pem")
        }
        server = try TLSServer(contents.set, protocols)
        tell(contents)
    }

    /// Reads what changed since. Connections there are go on as they are.
    func reload() {
        let old = server.certificates
        let contents = directory.read(old, protocols)
        // The last certificate is not given up for nothing at all: an emptied directory is a mishap.
        guard !contents.set.certificates.isEmpty else {
            log.error("\(directory.path) has no certificate any more: those read before stay in force")
            return
        }
        let names = Set(contents.set.certificates.map(\.name))
        for gone in old.certificates where !names.contains(gone.name) { log.notice("certificate \(gone.name) is gone") }
        server.certificates = contents.set
        tell(contents)
    }

    var metrics: String { statistics.text(server.certificates) }

    private func tell(_ contents: CertificateDirectory.Contents) {
        statistics.faulty(contents.faults.count)
        for fault in contents.faults { log.error("\(fault); an older certificate of that name stays in force") }
        let now = sk_wall_nanoseconds() / 1_000_000_000
        for certificate in contents.set.certificates where contents.changed.contains(certificate.name) {
            let days = (certificate.expires - now) / 86400
            let hosts = certificate.hosts.joined(separator: ", ")
            log.notice("certificate \(certificate.name) serves \(hosts), valid for \(days) days")
            if now < certificate.validFrom { log.warning("certificate \(certificate.name) is not valid yet") }
            if days < Self.warningDays {
                log.warning(
                    "certificate \(certificate.name) \(now >= certificate.expires ? "has expired" : "expires in \(days) days"): renew it"
                )
            }
        }
    }
}
