import Crypto

/// An image put together by hand, in any of the forms that the store imports; every part can be spoilt before it is written.
struct TestImage {
    var layers: [[UInt8]]
    var name: String? = "web:1"
    /// JSON of the configuration's `config`.
    var process = #"{"Cmd":["/bin/web"],"Env":["A=b"],"WorkingDir":"/srv","User":"7:8","StopSignal":"SIGINT","Labels":{"l":"v"}}"#
    var platform = (os: "linux", architecture: "amd64")
    var layerType = "application/vnd.oci.image.layer.v1.tar"
    var diffIDs: [String]?
    /// Puts a nested index with this and a foreign image between index.json and the manifest.
    var nested = false

    init(_ layers: [Tar]) { self.layers = layers.map(\.finished) }

    static func digest(_ bytes: [UInt8]) -> String {
        "sha256:" + SHA256.hash(data: bytes).map { (String($0 >> 4, radix: 16) + String($0 & 15, radix: 16)) }.joined()
    }

    static func hex(_ bytes: [UInt8]) -> String { String(digest(bytes).dropFirst(7)) }

    var configuration: [UInt8] {
        let ids = (diffIDs ?? layers.map(Self.digest)).map { "\"\($0)\"" }.joined(separator: ",")
        return Array(
            #"{"architecture":"\#(platform.architecture)","os":"\#(platform.os)","config":\#(process),"rootfs":{"type":"layers","diff_ids":[\#(ids)]}}"#
                .utf8)
    }

    var manifest: [UInt8] {
        let entries = layers.map { descriptor($0, layerType) }.joined(separator: ",")
        return Array(
            #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\#(descriptor(configuration, "application/vnd.oci.image.config.v1+json")),"layers":[\#(entries)]}"#
                .utf8)
    }

    func descriptor(_ bytes: [UInt8], _ type: String, _ more: String = "") -> String {
        #"{"mediaType":"\#(type)","digest":"\#(Self.digest(bytes))","size":\#(bytes.count)\#(more)}"#
    }

    /// Path → content of an OCI layout.
    var layout: [(String, [UInt8])] {
        let type = "application/vnd.oci.image.manifest.v1+json"
        let annotation = name.map { #","annotations":{"org.opencontainers.image.ref.name":"\#($0)"}"# } ?? ""
        var blobs = [manifest, configuration] + layers
        var entry = descriptor(manifest, type, annotation)
        if nested {
            let foreign = Array("{}".utf8)
            let inner = Array(
                #"{"schemaVersion":2,"manifests":[\#(descriptor(foreign, type, #","platform":{"architecture":"s390x","os":"linux"}"#)),\#(descriptor(manifest, type, #","platform":{"architecture":"\#(platform.architecture)","os":"\#(platform.os)"}"#)),\#(descriptor(foreign, type, #","platform":{"architecture":"unknown","os":"unknown"}"#))]}"#
                    .utf8)
            entry = descriptor(inner, "application/vnd.oci.image.index.v1+json", annotation)
            blobs += [inner, foreign]
        }
        let index = Array(#"{"schemaVersion":2,"manifests":[\#(entry)]}"#.utf8)
        return [("oci-layout", Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8)), ("index.json", index)]
            + blobs.map { ("blobs/sha256/" + Self.hex($0), $0) }
    }

    /// Path → content of what `docker save` wrote up to version 24.
    var dockerArchive: [(String, [UInt8])] {
        let ids = layers.map { Self.hex($0 + [1]) }
        let manifest =
            #"[{"Config":"\#(Self.hex(configuration)).json","RepoTags":[\#(name.map { "\"\($0)\"" } ?? "")],"Layers":[\#(ids.map { "\"\($0)/layer.tar\"" }.joined(separator: ","))]}]"#
        return zip(ids, layers).flatMap { id, layer in
            [("\(id)/VERSION", Array("1.0".utf8)), ("\(id)/json", Array("{}".utf8)), ("\(id)/layer.tar", layer)]
        } + [
            (Self.hex(configuration) + ".json", configuration), ("manifest.json", Array(manifest.utf8)),
            ("repositories", Array("{}".utf8)),
        ]
    }

    static func archive(_ members: [(String, [UInt8])]) -> [UInt8] {
        var tar = Tar()
        for (path, content) in members { tar.add(path, content: content) }
        return tar.finished
    }
}
