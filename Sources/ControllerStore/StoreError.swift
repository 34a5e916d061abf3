/// What the controller's store failed at. A commit that throws has changed nothing.
package struct StoreError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Hashable, Sendable {
        /// The record is not at the version the writer expected.
        case conflict
        /// A write names something that is not there: a fault of the writer.
        case notFound
        /// The file system is full.
        case full
        /// The database or its directory cannot be written.
        case readOnly
        /// The database is damaged: a backup has to be restored.
        case corrupt
        /// Another process holds the state directory.
        case inUse
        /// Written by a newer version of sidekick.
        case tooNew
        case inputOutput
    }

    package var code: Code
    /// Names the operation and the object, and what to do next where that is known.
    package var message: String
    package var cause: String?

    package init(_ code: Code, _ message: String, cause: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String { cause.map { "\(message): \($0)" } ?? message }
}
