package import LinuxShims

/// Lays a launch plan out as `SkPlan.h` says: the header, then strings and record tables in any order, a closing NUL.
package struct PlanWriter {
    package var head = sk_plan()
    private var bytes: [UInt8]

    package init() {
        // The header's place, then the empty string, so that no offset is 0.
        bytes = [UInt8](repeating: 0, count: MemoryLayout<sk_plan>.size + 1)
        head.magic = SK_PLAN_MAGIC
        head.version = SK_PLAN_VERSION
    }

    /// Offset of a string that means nothing.
    package var none: UInt32 { UInt32(MemoryLayout<sk_plan>.size) }

    package mutating func string(_ text: String) -> UInt32 {
        if text.isEmpty { return none }
        let offset = UInt32(bytes.count)
        bytes.append(contentsOf: text.utf8)
        bytes.append(0)
        return offset
    }

    package mutating func strings(_ texts: [String]) -> sk_list {
        let list = sk_list(offset: texts.isEmpty ? none : UInt32(bytes.count), count: UInt32(texts.count))
        for text in texts {
            bytes.append(contentsOf: text.utf8)
            bytes.append(0)
        }
        return list
    }

    package mutating func records<Record: BitwiseCopyable>(_ records: [Record]) -> sk_list {
        while bytes.count % 16 != 0 { bytes.append(0) }
        let list = sk_list(offset: UInt32(bytes.count), count: UInt32(records.count))
        records.withUnsafeBytes { bytes.append(contentsOf: $0) }
        return list
    }

    package consuming func finish() -> [UInt8] {
        bytes.append(0)
        head.size = UInt32(bytes.count)
        withUnsafeBytes(of: head) { header in
            for (index, byte) in header.enumerated() { bytes[index] = byte }
        }
        return bytes
    }
}
