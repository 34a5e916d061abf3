import COpenSSL
import Glibc

/// A directory of certificates, each as `NAME.crt` and `NAME.key`, or as `NAME/fullchain.pem` and `NAME/privkey.pem`.
package struct CertificateDirectory: Sendable {
    package let path: String

    package init(path: String) { self.path = path }

    /// What reading found.
    package struct Contents: Sendable {
        package var set: CertificateSet
        /// Names of those read anew, in order.
        package var changed: [String]
        /// Why some could not be read. An older one of the same name is still in `set`.
        package var faults: [TLSError]
    }

    /// Reads all that changed since `old` was read, and keeps the rest. A pair that cannot be used leaves the old one of its name in force;
    /// one whose files are gone goes.
    package func read(_ old: CertificateSet, _ protocols: ApplicationProtocols) -> Contents {
        var known = Dictionary(old.certificates.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        var contents = Contents(set: .empty, changed: [], faults: [])
        var certificates: [Certificate] = []
        guard let names = FileBytes.names(path) else {
            let reason = String(cString: strerror(errno))
            contents.faults.append(TLSError("read the directory of certificates", path, reason: reason))
            contents.set = old
            return contents
        }
        for place in places(names) {
            let before = known.removeValue(forKey: place.name)
            do throws(TLSError) {
                let pair = try CertificatePair(place)
                if let before, before.digest == pair.digest {
                    certificates.append(before)
                    continue
                }
                certificates.append(try Certificate(name: place.name, pair: pair, protocols: protocols))
                contents.changed.append(place.name)
            } catch {
                contents.faults.append(error)
                if let before { certificates.append(before) }
            }
        }
        contents.set = CertificateSet(certificates)
        return contents
    }

    /// Directories in which files may change: this one and those that hold pairs.
    package var directories: [String] {
        [path] + (FileBytes.names(path) ?? []).sorted().map { "\(path)/\($0)" }.filter { FileBytes.names($0) != nil }
    }

    struct Place: Hashable, Sendable {
        var name: String
        var chainFile: String
        var keyFile: String
    }

    /// Where pairs are, in order of name. A lone file counts: what is missing beside it is said when it is read.
    private func places(_ names: [String]) -> [Place] {
        var found: [String: Place] = [:]
        for entry in names.sorted() where !entry.hasPrefix(".") {
            if let name = entry.strippingSuffix(".crt") ?? entry.strippingSuffix(".key") {
                found[name] = Place(name: name, chainFile: "\(path)/\(name).crt", keyFile: "\(path)/\(name).key")
            } else if let inside = FileBytes.names("\(path)/\(entry)"),
                inside.contains("fullchain.pem") || inside.contains("privkey.pem"),
                found[entry] == nil
            {
                let directory = "\(path)/\(entry)"
                found[entry] = Place(name: entry, chainFile: "\(directory)/fullchain.pem", keyFile: "\(directory)/privkey.pem")
            }
        }
        return found.values.sorted { $0.name < $1.name }
    }
}

/// The text of a certificate's two files.
struct CertificatePair {
    var chainFile: String
    var keyFile: String
    var chain: [UInt8]
    var key: [UInt8]

    init(_ place: CertificateDirectory.Place) throws(TLSError) {
        chainFile = place.chainFile
        keyFile = place.keyFile
        chain = try Self.read("the certificate", chainFile)
        key = try Self.read("the private key", keyFile)
    }

    private static func read(_ what: String, _ file: String) throws(TLSError) -> [UInt8] {
        guard let bytes = FileBytes.read(file) else {
            throw TLSError("read \(what)", file, reason: String(cString: strerror(errno)))
        }
        return bytes
    }

    /// SHA-256 over both, so that the key need not be kept to tell whether it changed.
    var digest: [UInt8] {
        var result = [UInt8](repeating: 0, count: 32)
        let bytes = chain + [0] + key
        EVP_Digest(bytes, bytes.count, &result, nil, EVP_sha256(), nil)
        return result
    }
}

private enum FileBytes {
    /// More than any pair of files needs; a larger one is cut and then refused as damaged.
    private static let limit = 1 << 20

    static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while bytes.count < limit {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { return nil }
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return bytes
    }

    /// What a directory holds; nil when it is none.
    static func names(_ path: String) -> [String]? {
        guard let directory = opendir(path) else { return nil }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}

extension String {
    fileprivate func strippingSuffix(_ suffix: String) -> String? {
        hasSuffix(suffix) && utf8.count > suffix.utf8.count ? String(dropLast(suffix.count)) : nil
    }
}
