import FoundationEssentials

/// Connections that were worth keeping: `NAME.request` and `NAME.response` below Corpus.
enum Corpus {
    /// All of a kind, by name, in order.
    static func files(_ kind: String) throws -> [(name: String, bytes: [UInt8])] {
        let directory = (#filePath.components(separatedBy: "/Differential/").first ?? "") + "/Corpus"
        let names = try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasSuffix("." + kind) }.sorted()
        return try names.map { name in
            guard let data = FileManager.default.contents(atPath: "\(directory)/\(name)") else {
                throw CocoaError(.fileReadUnknown)
            }
            return (String(name.dropLast(kind.count + 1)), Array(data))
        }
    }
}
