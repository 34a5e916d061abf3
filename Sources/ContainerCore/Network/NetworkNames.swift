/// How an engine names what it makes in the kernel's network.
struct NetworkNames: Hashable, Sendable {
    let engine: String

    var bridge: String { "skbr-\(engine)" }
    var table: String { "sidekick-\(engine)" }

    /// `svENGINE-00a7`: at most 15 bytes, as many as the kernel allows, for an engine's name of eight and a subnet of /16 or less.
    func veth(_ number: UInt32) -> String {
        let digits = String(number, radix: 16)
        return "sv\(engine)-\(String(repeating: "0", count: max(0, 4 - digits.count)))\(digits)"
    }

    /// What `veth` made the name from; nil for a name that is not this engine's.
    func number(ofVeth name: String) -> UInt32? {
        let prefix = "sv\(engine)-"
        guard name.hasPrefix(prefix), let number = UInt32(name.dropFirst(prefix.count), radix: 16), veth(number) == name else {
            return nil
        }
        return number
    }
}
