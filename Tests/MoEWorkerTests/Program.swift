import Foundation
import Glibc

/// The built `moe-worker`, run as a user runs it.
struct Program {
  /// How a run ended and what it said.
  struct Outcome: CustomStringConvertible {
    let exitCode: Int32
    let output: String
    let errors: String
    let seconds: Double

    var errorLines: [Substring] { errors.split(separator: "\n") }
    var description: String { "exit code \(exitCode) after \(seconds) s\nstdout: \(output)\nstderr: \(errors)" }
  }

  static let executable = products.appendingPathComponent("moe-worker").path

  /// Where the build put this test and the program.
  private static let products: URL = {
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return URL(fileURLWithPath: own).deletingLastPathComponent()
  }()

  static let launcher =
    ["mpirun.mpich", "mpiexec.hydra", "mpirun"].lazy
    .map { "/usr/bin/\($0)" }.first(where: FileManager.default.isExecutableFile) ?? "/usr/bin/mpirun"

  /// Calibrations of these tests alone: one that an earlier build left would be warned of.
  private static let cache: [String: String] = {
    atexit { try? FileManager.default.removeItem(atPath: Program.cacheFolder) }
    return ["XDG_CACHE_HOME": cacheFolder]
  }()
  private static let cacheFolder = FileManager.default.temporaryDirectory
    .appendingPathComponent("switchyard-tests-\(ProcessInfo.processInfo.processIdentifier)").path

  /// Runs `moe-worker` with the arguments on some ranks; one rank without `mpirun`.
  static func run(
    _ arguments: [String], ranks: Int = 1, environment: [String: String] = [:], limit: Double = 60
  ) throws -> Outcome {
    ranks == 1
      ? try run(executable, arguments, environment, limit: limit)
      : try run(launcher, ["-np", "\(ranks)", executable] + arguments, environment, limit: limit)
  }

  /// Runs several commands as one job, as `mpirun`'s colons do: each has its own number of ranks and arguments.
  static func run(jobs: [(ranks: Int, arguments: [String])], limit: Double = 60) throws -> Outcome {
    let arguments = jobs.map { ["-np", "\($0.ranks)", executable] + $0.arguments }.joined(separator: [":"])
    return try run(launcher, Array(arguments), [:], limit: limit)
  }

  /// Runs any program; what runs longer than the limit is ended and reported with exit code -1.
  static func run(
    _ program: String, _ arguments: [String], _ environment: [String: String], limit: Double
  ) throws -> Outcome {
    let folder = try Folder()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(Self.cache) { $1 }.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try folder.newFile("output")
    process.standardError = try folder.newFile("errors")
    let start = Date()
    try process.runWithSignals()
    let isFinished = wait(for: process, limit: limit)
    return Outcome(
      exitCode: isFinished ? process.terminationStatus : -1, output: try folder.text("output"),
      errors: try folder.text("errors"), seconds: Date().timeIntervalSince(start))
  }

  private static func wait(for process: Process, limit: Double) -> Bool {
    let deadline = Date(timeIntervalSinceNow: limit)
    while process.isRunning && Date() < deadline { Thread.sleep(forTimeInterval: 0.01) }
    if !process.isRunning { return true }
    process.terminate()
    process.waitUntilExit()
    return false
  }
}

extension Process {
  /// Starts the process so that signals reach it. Tests run on threads of the dispatch library, which have nearly all
  /// signals blocked, and a process inherits that: it could be neither interrupted nor terminated.
  func runWithSignals() throws {
    var (none, before) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try run()
  }
}

/// A folder of a test's own, gone when the test is.
final class Folder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("moe-worker-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file, with the folders it lies in, and returns its path.
  @discardableResult func write(_ name: String, _ bytes: Data) throws -> String {
    let file = URL(fileURLWithPath: file(name))
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try bytes.write(to: file)
    return file.path
  }

  @discardableResult func write(_ name: String, _ text: String) throws -> String {
    try write(name, Data(text.utf8))
  }

  func newFile(_ name: String) throws -> FileHandle {
    try write(name, Data())
    return try FileHandle(forWritingTo: URL(fileURLWithPath: file(name)))
  }

  func text(_ name: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(fileURLWithPath: file(name))), as: UTF8.self)
  }

  /// The files below the folder with their bytes: what must not change when a run is refused.
  func contents() throws -> [String: Data] {
    var contents: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
      contents[name] = try? Data(contentsOf: URL(fileURLWithPath: file(name)))
    }
    return contents
  }
}
