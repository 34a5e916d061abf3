import EventLoop

/// Who the client is behind proxies one trusts.
enum ForwardedFor {
    /// The last address in `X-Forwarded-For` values that no trusted proxy has; the first of all when every one is trusted. What is no
    /// address ends the search, since what stands before it could be anybody's invention. nil when there is none.
    static func client(_ values: [UnsafeRawBufferPointer], trusted: (SocketAddress) -> Bool) -> SocketAddress? {
        var client: SocketAddress?
        for value in values.reversed() {
            for element in value.split(separator: 0x2C, omittingEmptySubsequences: true).reversed() {
                let text = String(decoding: element, as: UTF8.self)
                guard let address = address(text) else { return client }
                client = address
                if !trusted(address) { return client }
            }
        }
        return client
    }

    /// Reads `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]` or `[::1]:80`.
    private static func address(_ text: String) -> SocketAddress? {
        var text = text[...]
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        guard text.utf8.count <= 64 else { return nil }
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") { text = text[text.index(after: text.startIndex)..<end] }
        if let address = AddressRange.address(text) { return address }
        guard let colon = text.lastIndex(of: ":") else { return nil }
        return AddressRange.address(text[..<colon])
    }
}
