import Communication
import Foundation
import Kernels
import Logging
import Topology

/// What a subcommand works with: the ranks of the job, where they run, and the way to say something.
struct Worker {
  let world: any Communicator
  let console: Console
  let watch: JobWatch
  let log: RunLog
  /// What the program was given, the subcommand first; the same on every rank.
  let arguments: [String]
  /// Where each rank runs, by rank.
  let hosts: [HostSurvey]
  private let logger = Logger(label: "moe-worker")

  init(
    _ arguments: [String], world: any Communicator, console: Console, watch: JobWatch, log: RunLog
  ) throws {
    self.arguments = arguments
    self.world = world
    self.console = console
    self.watch = watch
    self.log = log
    let own = try JSONEncoder().encode(HostSurvey.here())
    let all = try world.allGatherBytes(Array(own))
    hosts = try all.map { try JSONDecoder().decode(HostSurvey.self, from: Data($0)) }
  }

  var host: HostSurvey { hosts[world.rank.index] }
  /// Which ranks share a machine.
  var hostMap: HostMap { HostMap(names: hosts.map(\.machine)) }
  var hostCount: Int { hostMap.hostCount }

  /// Warns of what all ranks have noticed alike: each in its log, the speaker on the terminal.
  func warn(_ message: String) {
    logger.warning("\(message)")
  }

  /// How many threads a rank uses unless told otherwise: its share of the processors, at least one.
  func defaultThreadCount(of rank: Int) -> Int {
    let neighbours = hosts.count { $0.sharesProcessors(with: hosts[rank]) }
    return max(1, hosts[rank].coreCount / neighbours)
  }

  /// Why ranks on these processors would not compute the same bits; nil if they would.
  var instructionSetRefusal: Refusal? {
    guard let other = hosts.first(where: { $0.decisiveFeatures != hosts[0].decisiveFeatures }) else { return nil }
    let difference = other.decisiveFeatures.symmetricDifference(hosts[0].decisiveFeatures).sorted()
    return Refusal(
      .hostDiffers,
      "hosts \(hosts[0].hostName) and \(other.hostName) differ in \(difference.joined(separator: ", ")), so their "
        + "results would differ: use hosts with the same instruction set ('moe-worker doctor' lists them)")
  }

  /// Refuses what cannot fit into a host's memory, before anything is allocated. Every rank calls it.
  ///
  /// - Parameter bytes: what this rank is going to need at least.
  func requireMemory(bytes: Int, for purpose: String) throws {
    let needs = try world.allGather(Int64(bytes))
    for (rank, host) in hosts.enumerated() {
      guard let memory = host.memoryMebibytes else { continue }
      let sharing = needs.indices.filter { hosts[$0].sharesHardware(with: host) }
      let mebibytes = sharing.reduce(0) { $0 + Int(needs[$1] >> 20) }
      guard mebibytes > memory else { continue }
      throw Refusal(
        .unavailable,
        "host \(host.hostName) of rank \(rank) has \(memory) MiB of memory, and \(purpose) need \(mebibytes) MiB there: "
          + "use more hosts, or make it smaller")
    }
  }
}
