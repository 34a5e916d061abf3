/// The certificates one server has, and which of them a client gets.
package struct CertificateSet: Sendable {
    /// In order of name.
    package let certificates: [Certificate]
    private let exact: [String: Int]
    /// By what follows `*.`.
    private let wildcard: [String: Int]
    private let fallback: Int

    package static let empty = CertificateSet([])

    /// Where several are for one host the one valid longest has it. Clients that name no host, or one that none is for, get the one called
    /// `default`, else the first.
    package init(_ certificates: [Certificate]) {
        self.certificates = certificates.sorted { $0.name < $1.name }
        var exact: [String: Int] = [:]
        var wildcard: [String: Int] = [:]
        for (index, certificate) in self.certificates.enumerated() {
            for host in certificate.hosts {
                let isWildcard = host.hasPrefix("*.")
                let key = isWildcard ? String(host.dropFirst(2)) : host
                let holder = isWildcard ? wildcard[key] : exact[key]
                if let holder, self.certificates[holder].expires >= certificate.expires { continue }
                if isWildcard { wildcard[key] = index } else { exact[key] = index }
            }
        }
        self.exact = exact
        self.wildcard = wildcard
        fallback = self.certificates.firstIndex { $0.name == "default" } ?? 0
    }

    /// The one for a host: by its exact name, then by a wildcard for its first label, then the fallback; nil when there is none at all.
    package func choose(_ host: String?) -> Certificate? {
        if let certificate = host.flatMap({ covering($0) }) { return certificate }
        return certificates.isEmpty ? nil : certificates[fallback]
    }

    /// The one that is for a host, nil when there is none.
    package func covering(_ host: String) -> Certificate? {
        let name = host.lowercased()
        if let index = exact[name] { return certificates[index] }
        guard let dot = name.firstIndex(of: "."), dot != name.startIndex else { return nil }
        return wildcard[String(name[name.index(after: dot)...])].map { certificates[$0] }
    }
}
