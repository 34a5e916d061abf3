/// Where and how finished requests are written down.
package struct AccessLogConfiguration: Hashable, Sendable {
    package enum Format: String, Hashable, Sendable, CaseIterable {
        /// One JSON object a line.
        case json
        /// The NCSA combined format, then service, revision, replica, durations and request id.
        case combined
    }

    /// A file, or `-` for standard output.
    package var path: String
    package var format: Format
    /// Bytes that may wait to be written; beyond it lines are dropped and counted.
    package var limit = 4 << 20

    package init(path: String, format: Format = .json) {
        self.path = path
        self.format = format
    }
}
