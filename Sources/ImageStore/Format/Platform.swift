extension OCI.Platform {
    /// What runs here.
    static var host: OCI.Platform {
        #if arch(arm64)
            OCI.Platform(architecture: "arm64", os: "linux", variant: nil)
        #else
            OCI.Platform(architecture: "amd64", os: "linux", variant: nil)
        #endif
    }

    /// Whether an image for `other` runs on this one. Variants (such as amd64's v2) are left to the image.
    func runs(_ other: OCI.Platform) -> Bool { architecture == other.architecture && os == other.os }

    var text: String { "\(os)/\(architecture)" + (variant.map { "/" + $0 } ?? "") }
}
