/// Every answer of the API that is not 2xx has this as its body.
package struct APIFailure: Error, Hashable, Sendable, Codable, CustomStringConvertible {
    package enum Code: String, Hashable, Sendable, Codable {
        case notFound, invalid, conflict, unavailable, unreachable, internalFailure
    }

    package var code: Code
    /// Names the operation and the object, and what to do next.
    package var message: String
    /// Issues of a spec, when that is what is wrong.
    package var issues: [Issue]

    package struct Issue: Hashable, Sendable, Codable {
        package var key: String
        package var message: String

        package init(key: String, message: String) {
            self.key = key
            self.message = message
        }
    }

    package init(_ code: Code, _ message: String, issues: [Issue] = []) {
        self.code = code
        self.message = message
        self.issues = issues
    }

    package var description: String {
        ([message] + issues.map { "  \($0.key): \($0.message)" }).joined(separator: "\n")
    }
}
