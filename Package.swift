// swift-tools-version: 6.2
import PackageDescription

// Modules in dependency order, lowest first; docs/architecture.md says what each may know.
// `unsafe` belongs to Tensors, FlightRecorder, Kernels and Communication: every other module is built with strict memory safety.

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]
let safe: [SwiftSetting] = settings + [.strictMemorySafety()]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let realModule = Target.Dependency.product(name: "RealModule", package: "swift-numerics")
let heapModule = Target.Dependency.product(name: "HeapModule", package: "swift-collections")

let package = Package(
  name: "switchyard",
  products: [.executable(name: "moe-worker", targets: ["MoEWorker"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-numerics", from: "1.1.1"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
  ],
  targets: [
    // C libraries
    .systemLibrary(name: "CMPI", providers: [.apt(["libmpich-dev"])]),
    .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
    .systemLibrary(name: "CXXHash", providers: [.apt(["libxxhash-dev"])]),
    .systemLibrary(name: "CLinux"),
    .target(name: "CBLIS", linkerSettings: [.linkedLibrary("blis")]),

    // Vocabulary and memory
    .target(name: "Topology", swiftSettings: safe),
    .target(name: "Tracing", swiftSettings: safe),
    .target(name: "Tensors", swiftSettings: settings),
    .target(name: "FlightRecorder", swiftSettings: settings),

    // Bytes and arithmetic, strangers to each other
    .target(
      name: "Communication", dependencies: ["CMPI", "FlightRecorder", "Tensors", "Topology"], swiftSettings: settings),
    .target(name: "Kernels", dependencies: ["CBLIS", "COneDNN", "Tensors", realModule], swiftSettings: settings),

    // What ranks see of each other besides their messages
    .target(name: "Watchdog", dependencies: ["CLinux", "FlightRecorder"], swiftSettings: safe),

    .target(name: "Monitoring", dependencies: ["FlightRecorder", "Watchdog"], swiftSettings: safe),

    .target(name: "Supervision", dependencies: ["FlightRecorder", "Watchdog"], swiftSettings: safe),

    // Decisions, as values
    .target(name: "Planning", dependencies: ["Topology"], swiftSettings: safe),
    .target(name: "Routing", dependencies: ["Kernels", "Planning", "Tensors", "Topology"], swiftSettings: safe),

    // Where ranks meet tokens
    .target(
      name: "ExpertParallel",
      dependencies: ["Communication", "Kernels", "Planning", "Tensors", "Topology", "Tracing"],
      swiftSettings: safe),

    // The model, its files and its text
    .target(
      name: "LanguageModel",
      dependencies: [
        "Communication", "ExpertParallel", "Kernels", "Planning", "Routing", "Tensors", "Topology",
      ],
      swiftSettings: safe),
    .target(
      name: "Checkpoints",
      dependencies: ["CLinux", "CXXHash", "Communication", "LanguageModel", "Tensors", "Topology"], swiftSettings: safe),
    .target(name: "Tokenization", dependencies: [heapModule], swiftSettings: safe),

    // Uses of the model
    .target(
      name: "Training",
      dependencies: [
        "Checkpoints", "Communication", "ExpertParallel", "Kernels", "LanguageModel", "Planning", "Routing", "Tensors",
        "Tokenization", "Topology",
      ],
      swiftSettings: safe),
    .target(
      name: "Inference",
      dependencies: ["Communication", "Kernels", "LanguageModel", "Tensors", "Topology"],
      swiftSettings: safe),
    .executableTarget(
      name: "MoEWorker",
      dependencies: [
        "Checkpoints", "Communication", "ExpertParallel", "FlightRecorder", "Inference", "Kernels", "LanguageModel",
        "Monitoring", "Planning", "Routing", "Supervision", "Tensors", "Tokenization", "Topology", "Tracing",
        "Training", "Watchdog", argumentParser, logging,
      ],
      swiftSettings: safe),

    // The harness that runs cases on several ranks, and the cases
    .target(
      name: "TestSupport", dependencies: ["Communication", "Tensors", "Topology"], path: "Tests/TestSupport",
      swiftSettings: settings),
    .target(
      name: "RankCases",
      dependencies: [
        "Checkpoints", "Communication", "ExpertParallel", "Inference", "Kernels", "LanguageModel", "Planning",
        "Routing",
        "Tensors", "TestSupport", "Topology", "Tracing", "Training",
      ],
      path: "Tests/RankCases", swiftSettings: settings),
    .executableTarget(
      name: "rank-cases", dependencies: ["RankCases", "TestSupport"], path: "Tests/RankCasesMain",
      swiftSettings: settings),

    // Tests
    .testTarget(
      name: "RankCaseTests", dependencies: ["RankCases", "TestSupport", "rank-cases"], swiftSettings: settings),
    .testTarget(
      name: "CommunicationTests", dependencies: ["Communication", "Tensors", "TestSupport", "Topology"],
      swiftSettings: settings),
    .testTarget(name: "FlightRecorderTests", dependencies: ["FlightRecorder", "TestSupport"], swiftSettings: settings),
    .testTarget(name: "WatchdogTests", dependencies: ["FlightRecorder", "Watchdog"], swiftSettings: settings),
    .testTarget(name: "MonitoringTests", dependencies: ["Monitoring", "Watchdog"], swiftSettings: settings),
    .testTarget(name: "SupervisionTests", dependencies: ["Supervision"], swiftSettings: settings),
    .testTarget(name: "KernelsTests", dependencies: ["Kernels", "Tensors", "TestSupport"], swiftSettings: settings),
    .testTarget(
      name: "PlanningTests", dependencies: ["Planning", "TestSupport", "Topology"], swiftSettings: settings),
    .testTarget(
      name: "ExpertParallelTests",
      dependencies: [
        "Communication", "ExpertParallel", "Kernels", "Planning", "RankCases", "Tensors", "TestSupport", "Topology",
      ],
      swiftSettings: settings),
    .testTarget(
      name: "CheckpointsTests",
      dependencies: ["CLinux", "Checkpoints", "Communication", "LanguageModel", "Tensors", "Topology"],
      swiftSettings: settings),
    .testTarget(
      name: "RoutingTests", dependencies: ["Kernels", "Planning", "Routing", "Tensors"], swiftSettings: settings),
    .testTarget(
      name: "LanguageModelTests",
      dependencies: [
        "Communication", "Inference", "Kernels", "LanguageModel", "Planning", "RankCases", "Routing", "Tensors",
        "TestSupport", "Topology",
      ],
      swiftSettings: settings),
    .testTarget(
      name: "InferenceTests",
      dependencies: ["Communication", "Inference", "LanguageModel", "RankCases", "Tensors", "TestSupport"],
      swiftSettings: settings),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Checkpoints", "Communication", "Kernels", "RankCases", "Tensors", "TestSupport", "Tokenization", "Topology",
        "Training",
      ],
      swiftSettings: settings),
    .testTarget(
      name: "FuzzTests",
      dependencies: [
        "Checkpoints", "Communication", "FlightRecorder", "MoEWorker", "Planning", "TestSupport", "Tokenization",
        "Topology", "Tracing", "Training", "Watchdog",
      ],
      swiftSettings: settings),
    .testTarget(name: "TracingTests", dependencies: ["Checkpoints", "Tracing"], swiftSettings: settings),
    .testTarget(name: "TokenizationTests", dependencies: ["Tokenization"], swiftSettings: settings),
    .testTarget(
      name: "MoEWorkerTests",
      dependencies: [
        "Checkpoints", "FlightRecorder", "LanguageModel", "MoEWorker", "Monitoring", "Tensors", "TestSupport",
        "Tracing", "Watchdog",
      ],
      swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)
