/// A member's path below its layer's root, without `.`, `..` and doubled slashes. Bytes, since a file name need not be text.
struct MemberPath: Hashable {
    /// Components joined by `/`; empty for the root itself.
    let bytes: [UInt8]

    /// - Throws: `unsafeMember` when the path is absolute, climbs or is too long.
    init(_ raw: some Collection<UInt8>, limits: ImageLimits, what: String) throws(ImageError) {
        func refuse(_ why: String) -> ImageError {
            ImageError(.unsafeMember, "\(what): member ‘\(String(decoding: raw, as: UTF8.self))’ \(why)")
        }
        guard raw.count <= limits.pathBytes else {
            throw ImageError(
                .tooLarge,
                "\(what): a member's path has \(raw.count) bytes, \(limits.pathBytes) are allowed: ‘\(String(decoding: raw.prefix(80), as: UTF8.self))…’"
            )
        }
        if raw.first == Self.slash { throw refuse("has an absolute path") }
        var depth = 0
        var clean: [UInt8] = []
        clean.reserveCapacity(raw.count)
        for component in raw.split(separator: Self.slash) {
            if component.elementsEqual([Self.dot]) { continue }
            if component.elementsEqual([Self.dot, Self.dot]) { throw refuse("climbs out of its directory") }
            guard component.count <= 255 else { throw refuse("has a name longer than 255 bytes") }
            depth += 1
            guard depth <= limits.depth else {
                throw ImageError(
                    .tooLarge, "\(what): a member lies in more than \(limits.depth) directories, one within the other")
            }
            if !clean.isEmpty { clean.append(Self.slash) }
            clean.append(contentsOf: component)
        }
        bytes = clean
    }

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isRoot: Bool { bytes.isEmpty }

    /// Path of the directory that holds it.
    var parent: MemberPath {
        guard let slash = bytes.lastIndex(of: Self.slash) else { return MemberPath(bytes: []) }
        return MemberPath(bytes: Array(bytes[..<slash]))
    }

    var name: ArraySlice<UInt8> {
        guard let slash = bytes.lastIndex(of: Self.slash) else { return bytes[...] }
        return bytes[(slash + 1)...]
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    private static let slash = UInt8(ascii: "/")
    private static let dot = UInt8(ascii: ".")
}

extension Sequence<UInt8> {
    /// As a C string.
    var terminated: [CChar] {
        var characters: [CChar] = []
        characters.reserveCapacity(underestimatedCount + 1)
        for byte in self { characters.append(CChar(bitPattern: byte)) }
        characters.append(0)
        return characters
    }
}
