extension CgroupPressure {
    /// What a v2 directory says; nil when the kernel keeps none.
    init?(in directory: CgroupDirectory) {
        cpu = directory.read("cpu.pressure").flatMap { Reading($0) }
        memory = directory.read("memory.pressure").flatMap { Reading($0) }
        io = directory.read("io.pressure").flatMap { Reading($0) }
        if cpu == nil && memory == nil && io == nil { return nil }
    }
}

extension CgroupPressure.Reading {
    /// Reads `some avg10=0.12 avg60=0.00 avg300=0.00 total=1234` and the same with `full`; older kernels say no `full` for cpu.
    package init?(_ text: String) {
        self.init(some10: 0, full10: 0, someTotal: 0, fullTotal: 0)
        var found = false
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            let values = Dictionary(
                words.dropFirst().compactMap { word -> (String, Double)? in
                    let pair = word.split(separator: "=")
                    guard pair.count == 2, let value = Double(pair[1]) else { return nil }
                    return (String(pair[0]), value)
                }, uniquingKeysWith: { first, _ in first })
            guard let average = values["avg10"], let total = values["total"] else { continue }
            switch words.first {
            case "some": (some10, someTotal, found) = (average, Int64(total), true)
            case "full": (full10, fullTotal) = (average, Int64(total))
            default: continue
            }
        }
        if !found { return nil }
    }
}
