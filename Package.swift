// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

/// Every warning of the C parts is an error.
let strictC: [CSetting] = [
    .define("_GNU_SOURCE"),
    .unsafeFlags(["-std=c17", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-command-line-argument"]),
]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
]
let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")

let package = Package(
    name: "sidekick",
    products: [
        .executable(name: "sidekick", targets: ["sidekick"]),
        .executable(name: "sidekick-init", targets: ["ContainerInit"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // decides: standard library only
        .target(name: "SidekickModel", swiftSettings: strict),
        .target(name: "Orchestration", dependencies: ["SidekickModel"], swiftSettings: strict),
        .target(name: "ScalerTools", dependencies: ["SidekickModel", "Orchestration"], swiftSettings: strict),
        .target(name: "HTTPFraming", swiftSettings: strict),
        // contracts
        .target(
            name: "AgentProtocol",
            dependencies: ["SidekickModel", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
            exclude: ["Protos"], swiftSettings: strict),
        .target(
            name: "ControlAPI",
            dependencies: [
                "SidekickModel", .product(name: "Yams", package: "Yams"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
            ] + nio, swiftSettings: strict),
        // acts
        .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
        .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CNGHTTP2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
        .target(name: "HTTP2Translation", dependencies: ["HTTPFraming", "CNGHTTP2"], swiftSettings: strict),
        .target(name: "LinuxShims", cSettings: strictC),
        .target(name: "EventLoop", dependencies: ["LinuxShims", "SidekickModel"], swiftSettings: strict),
        .target(name: "TLS", dependencies: ["COpenSSL", "EventLoop", "SidekickModel"], swiftSettings: strict),
        .executableTarget(
            name: "ContainerInit", cSettings: strictC + [.headerSearchPath("../LinuxShims/include")],
            linkerSettings: [.unsafeFlags(["-nostartfiles", "-static-executable"])]),
        .target(
            name: "ImageStore", dependencies: ["LinuxShims", "CArchive", crypto], swiftSettings: strict),
        .target(
            name: "ContainerCore", dependencies: ["LinuxShims", "CSeccomp"], swiftSettings: strict),
        .target(
            name: "OCIRuntime", dependencies: ["ContainerCore", "LinuxShims", "CSeccomp"], swiftSettings: strict),
        .target(
            name: "ControllerStore",
            dependencies: ["SidekickModel", "Orchestration", .product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: strict),
        .target(
            name: "Controller",
            dependencies: [
                "SidekickModel", "Orchestration", "ControllerStore", "AgentProtocol", "ControlAPI", "ImageStore", "LinuxShims",
                log, crypto,
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ] + nio, swiftSettings: strict),
        .target(
            name: "Agent",
            dependencies: [
                "SidekickModel", "Orchestration", "AgentProtocol", "ContainerCore", "ImageStore", "HTTPFraming",
                "HTTP2Translation", "LinuxShims", log,
            ] + nio, swiftSettings: strict),
        .target(
            name: "Gateway",
            dependencies: [
                "SidekickModel", "Orchestration", "AgentProtocol", "HTTPFraming", "HTTP2Translation", "EventLoop", "TLS",
                "LinuxShims", log,
            ], swiftSettings: strict),
        .target(
            name: "LoadGenerator",
            dependencies: [
                "SidekickModel", "HTTPFraming", "EventLoop", "LinuxShims",
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ], swiftSettings: strict),
        .executableTarget(name: "ContainerBench", dependencies: ["ContainerCore"], swiftSettings: strict),
        .executableTarget(
            name: "sidekick",
            dependencies: [
                "SidekickModel", "Orchestration", "ControlAPI", "ControllerStore", "Controller", "Agent", "Gateway",
                "ContainerCore", "OCIRuntime",
                "ImageStore", "LoadGenerator", "ScalerTools", "EventLoop", "LinuxShims", argumentParser, log,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ], swiftSettings: strict),
        // proves
        .testTarget(name: "SidekickModelTests", dependencies: ["SidekickModel"], swiftSettings: strict),
        .testTarget(
            name: "OrchestrationTests", dependencies: ["Orchestration", "SidekickModel", "ScalerTools"], swiftSettings: strict),
        .testTarget(
            name: "HTTPFramingTests",
            dependencies: [
                "HTTPFraming", .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"), .product(name: "NIOCore", package: "swift-nio"),
            ], exclude: ["Corpus"], swiftSettings: strict),
        .testTarget(
            name: "HTTP2TranslationTests", dependencies: ["HTTP2Translation", "HTTPFraming"], swiftSettings: strict),
        .testTarget(name: "AgentProtocolTests", dependencies: ["AgentProtocol", "SidekickModel"], swiftSettings: strict),
        .testTarget(name: "ControlAPITests", dependencies: ["ControlAPI", "SidekickModel"], swiftSettings: strict),
        .testTarget(name: "ImageStoreTests", dependencies: ["ImageStore", "LinuxShims", crypto], swiftSettings: strict),
        .testTarget(
            name: "ContainerTests", dependencies: ["ContainerCore", "LinuxShims"], swiftSettings: strict),
        .testTarget(
            name: "RuntimeTests", dependencies: ["OCIRuntime", "ContainerCore", "LinuxShims"], swiftSettings: strict),
        .testTarget(
            name: "ControllerStoreTests", dependencies: ["ControllerStore", "Orchestration", "SidekickModel"],
            swiftSettings: strict),
        .testTarget(name: "EventLoopTests", dependencies: ["EventLoop", "LinuxShims", "SidekickModel"], swiftSettings: strict),
        .testTarget(
            name: "ControllerTests",
            dependencies: [
                "Controller", "ControllerStore", "Orchestration", "SidekickModel", "AgentProtocol", "ControlAPI", "ImageStore",
                log,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ] + nio, swiftSettings: strict),
        .testTarget(
            name: "AgentTests",
            dependencies: [
                "Agent", "Orchestration", "SidekickModel", "AgentProtocol", "ContainerCore", "ImageStore", "LinuxShims",
                "HTTP2Translation", "HTTPFraming", .product(name: "NIOEmbedded", package: "swift-nio"), log,
            ] + nio, swiftSettings: strict),
        .testTarget(
            name: "GatewayTests",
            dependencies: [
                "Gateway", "HTTPFraming", "SidekickModel", "AgentProtocol", "EventLoop", "TLS", "COpenSSL", "LinuxShims", log,
            ],
            exclude: ["Programs"], swiftSettings: strict),
        .testTarget(
            name: "LoadGeneratorTests", dependencies: ["LoadGenerator", "EventLoop", "SidekickModel"], swiftSettings: strict),
        .testTarget(
            name: "FleetTests", dependencies: ["ControlAPI", "SidekickModel", "LoadGenerator"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
