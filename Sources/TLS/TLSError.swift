import COpenSSL

/// Something of TLS that failed: what was being done, to what, and OpenSSL's words for why.
package struct TLSError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was being done, such as `use the certificate`.
    package var operation: String
    /// To what, such as a file; empty where there is nothing to name.
    package var object: String
    package var reason: String

    package init(_ operation: String, _ object: String = "", reason: String) {
        self.operation = operation
        self.object = object
        self.reason = reason
    }

    package var description: String { "cannot \(operation)\(object.isEmpty ? "" : " \(object)"): \(reason)" }

    /// Takes the newest error of this thread's queue and empties it.
    static func taken(_ operation: String, _ object: String = "") -> TLSError {
        TLSError(operation, object, reason: takeReason().text)
    }

    /// OpenSSL's words for the newest error of this thread, and its number; empties the queue. The queue is empty between calls: what
    /// fails takes its errors out, so that nothing has to be cleared before a call.
    static func takeReason() -> (text: String, number: Int32) {
        let error = ERR_peek_last_error()
        defer { ERR_clear_error() }
        guard error != 0 else { return ("the connection broke", 0) }
        guard let text = ERR_reason_error_string(error) else { return ("error \(error)", 0) }
        return (String(cString: text), sk_tls_error_library(error) == ERR_LIB_SSL ? sk_tls_error_reason(error) : 0)
    }
}
