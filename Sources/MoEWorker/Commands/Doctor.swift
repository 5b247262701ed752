import ArgumentParser
import Communication
import Foundation
import Kernels

/// `doctor`: what the program finds where it runs, and what to change.
struct Doctor: WorkerCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Says what MPI, oneDNN, processors, hosts and threads it finds, and what to change.")

  func run(on worker: Worker) throws {
    let launcher = Launcher.onPath()
    try worker.console.write(
      """
      moe-worker   ranks: \(worker.hosts.count), hosts: \(machines(worker).count)
      MPI          \(mpi)
      mpirun       \(launcher?.description ?? "none on the path")
      oneDNN       \(OneDNN.version)
      """)
    for ranks in machines(worker) { try worker.console.write(description(of: ranks, worker)) }
    let advice = advice(worker, launcher)
    try worker.console.write(advice.isEmpty ? "nothing to change" : "what to change:")
    for line in advice { try worker.console.write("  - \(line)") }
  }

  /// The library's name, version and device: `MPICH 4.0.2, ch4:ucx`.
  private var mpi: String {
    let lines = MPIEnvironment.libraryDescription.split(separator: "\n").map(String.init)
    let values = lines.compactMap { line -> String? in
      guard line.contains("Version:") || line.contains("Device:") else { return nil }
      return line.split(separator: ":", maxSplits: 1).last?.trimmingCharacters(in: .whitespaces)
    }
    return values.count == 2 ? "MPICH \(values.joined(separator: ", "))" : lines.first ?? "unknown"
  }

  /// The ranks of each machine, in order.
  private func machines(_ worker: Worker) -> [[Int]] {
    let groups = Dictionary(grouping: worker.hosts.indices) { worker.hosts[$0].machine }
    return groups.values.sorted { $0[0] < $1[0] }
  }

  private func description(of ranks: [Int], _ worker: Worker) -> String {
    let host = worker.hosts[ranks[0]]
    let threads = Set(ranks.map(worker.defaultThreadCount)).sorted().map(String.init).joined(separator: " or ")
    return """
      host         \(host.hostName): ranks \(ranks.map(String.init).joined(separator: ", "))
        processor  \(host.processorName), cores: \(host.coreCount) (processors \(host.allowedProcessors))
        features   \(host.features.isEmpty ? "none beyond SSE2" : host.features.joined(separator: " "))
        memory     \(host.memoryMebibytes.map { "\($0) MiB" } ?? "unknown"), \
      huge pages \(host.hugePages ?? "not supported")
        threads    \(threads) per rank unless --threads says otherwise
      """
  }

  private func advice(_ worker: Worker, _ launcher: Launcher?) -> [String] {
    var advice: [String] = []
    if let launcher, !launcher.isMPICH {
      advice.append("'mpirun' is not MPICH's, whose library this program uses: start it with mpirun.mpich")
    }
    if launcher == nil { advice.append("to run several ranks, install MPICH's launcher: apt-get install mpich") }
    if let refusal = worker.instructionSetRefusal { advice.append(refusal.message) }
    for ranks in machines(worker) { advice += self.advice(ranks, worker) }
    return advice
  }

  private func advice(_ ranks: [Int], _ worker: Worker) -> [String] {
    var advice: [String] = []
    let host = worker.hosts[ranks[0]]
    let sharing = worker.hosts.count { $0.sharesProcessors(with: host) }
    if sharing > host.coreCount {
      advice.append(
        "\(host.hostName): \(sharing) ranks share \(host.coreCount) cores; more ranks than cores work, but not faster")
    }
    if host.hugePages == "never" {
      advice.append(
        "\(host.hostName): allow huge pages: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (as root)")
    }
    if !host.features.contains("avx2") {
      advice.append("\(host.hostName): this processor has no AVX2; expect a fraction of the speed")
    }
    return advice
  }
}

/// The `mpirun` that a user's shell would start.
struct Launcher: CustomStringConvertible {
  let path: String
  let resolved: String

  static func onPath() -> Launcher? {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    let found = folders.map { "\($0)/mpirun" }.first(where: FileManager.default.isExecutableFile)
    return found.map { Launcher(path: $0, resolved: URL(fileURLWithPath: $0).resolvingSymlinksInPath().path) }
  }

  /// Hydra is MPICH's launcher.
  var isMPICH: Bool {
    let name = resolved.split(separator: "/").last.map(String.init) ?? resolved
    return name.contains("hydra") || name.contains("mpich")
  }

  var description: String { path == resolved ? path : "\(path), which is \(resolved)" }
}
