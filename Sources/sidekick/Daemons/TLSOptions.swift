import ArgumentParser

/// Where and with which certificates a gateway speaks TLS.
struct TLSOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Where it listens for https; repeat for more.", valueName: "address:port")) var tlsListen:
        [String] = []
    @Option(
        help: ArgumentHelp(
            "Certificates: NAME.crt with NAME.key, or NAME/fullchain.pem with NAME/privkey.pem. Read again when they change, and on HUP.",
            valueName: "directory")) var certificates: String?
    @Flag(help: "Send plain requests for hosts that have a certificate to https.") var redirectHttps = false

    func validate() throws {
        guard tlsListen.isEmpty == (certificates == nil) else {
            throw ValidationError("--tls-listen and --certificates go together")
        }
        guard !redirectHttps || !tlsListen.isEmpty else { throw ValidationError("--redirect-https needs --tls-listen") }
    }

    /// The same for a gateway's command line.
    var arguments: [String] {
        tlsListen.flatMap { ["--tls-listen", $0] } + (certificates.map { ["--certificates", $0] } ?? [])
            + (redirectHttps ? ["--redirect-https"] : [])
    }
}
