import ArgumentParser
import Communication
import Foundation
import Kernels
import Planning
import Topology

/// The ranks, hosts and links of a cluster that need not exist.
struct ClusterOptions: ParsableArguments {
  @Option(help: "Ranks of the job.", transform: Parse.positive)
  var ranks: Int

  @Option(help: "Hosts that they are spread over, as evenly as they divide.", transform: Parse.positive)
  var hosts: Int

  @Option(help: "Threads of each rank.", transform: Parse.threads)
  var threads = 1

  @Option(
    help: ArgumentHelp(
      "Of each host's link, each way: 25gbit, 200mbit; none does not limit it. (default: the calibration's)",
      valueName: "rate"))
  var linkRate: LinkRate?

  @Option(
    help: ArgumentHelp(
      "Microseconds until a message begins to arrive. (default: the calibration's, or 30)", valueName: "µs"),
    transform: Parse.notNegativeReal)
  var linkLatency: Double?

  /// More are not simulated: every two of a group are a pair.
  private static let mostRanks = 65_536
  private static let longestLatency = 1e6

  /// A message between hosts where none was measured: what TCP over Ethernet usually takes.
  private static let usualLink = LinkCost(
    latencySeconds: 30e-6, bytesPerSecond: 1.25e9, messageSeconds: 2e-6,
    byteSeconds: 4e-10)

  func validate() throws {
    guard ranks <= Self.mostRanks else { throw ValidationError("--ranks \(ranks) is more than \(Self.mostRanks)") }
    guard hosts <= ranks else { throw ValidationError("--hosts \(hosts) is more than --ranks \(ranks)") }
    if let linkLatency, linkLatency > Self.longestLatency {
      throw ValidationError("--link-latency \(linkLatency) is more than a second")
    }
  }

  /// The cluster, of machines like the calibration's or, without one, like this.
  func cluster(_ calibration: CalibrationOptions, _ worker: Worker) throws -> SimulatedCluster {
    var machine: MachineModel
    var link: Double?
    if let path = calibration.calibration, !calibration.calibrate {
      let file = try worker.world.agree { try CalibrationFile(reading: path) }
      machine = file.machine
      link = file.linkBytesPerSecond
    } else {
      machine = try worker.machineModel(WorkerPool(threadCount: threads), calibration)
    }
    if link == nil { machine.otherHost = Self.usualLink }
    if let linkLatency { machine.otherHost.latencySeconds = linkLatency * 1e-6 }
    guard let rate = linkRate?.bytesPerSecond ?? link ?? (hosts == 1 ? Double.infinity : nil) else {
      throw Refusal(
        .usage,
        "how fast are the links between \(hosts) hosts? give --link-rate, or a --calibration made on several hosts")
    }
    return SimulatedCluster(
      hosts: HostMap(rankCount: ranks, hostCount: hosts), linkBytesPerSecond: rate, machine: machine)
  }
}

extension CalibrationFile {
  /// What a host's link carries for all of its ranks together; nil where there was one host.
  fileprivate var linkBytesPerSecond: Double? {
    guard key.hosts.count > 1 else { return nil }
    return machine.otherHost.bytesPerSecond * Double(key.hosts.map { min(max($0.ranks, 1), 1 << 20) }.max() ?? 1)
  }
}
