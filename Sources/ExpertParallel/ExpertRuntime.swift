package import Communication
package import Kernels
package import Planning
package import Tensors
import Topology
package import Tracing

/// What the expert layers of one rank share: its peers, its memory and its threads.
///
/// One is made per rank and used by all layers in the same order on all ranks of the expert-parallel group.
package final class ExpertRuntime {
  /// The ranks that hold one full set of experts.
  package let group: any Communicator
  package let placement: ExpertPlacement
  package let workers: WorkerPool
  package let workspace: Workspace
  /// How exchanges are carried out; the same on all ranks.
  package var options: ExchangeOptions
  /// Decides in each forward pass of a layer which of its experts are shadowed where; nil leaves them where they live.
  /// It is given the same load on all ranks and must decide the same.
  package var chooseShadows: ((_ load: RoutingLoad, _ layer: Int) -> ShadowPlan)?
  /// Which expert lies in which slot, layer by layer; a layer that is not listed has every expert in its own. The same on
  /// all ranks, and changed between passes only.
  package var arrangements: [Int: ExpertArrangement] = [:]
  /// Notes what is computed and which messages are in flight, if anybody wants to know.
  package var trace: TraceRecorder?
  /// Where the time went since this was last set.
  package var timings = ExchangeTimings()

  /// The number of the next exchange; ranks that disagree refuse each other's messages.
  private var sequence: Int32 = 0

  package init(
    group: any Communicator, expertCount: Int, workers: WorkerPool, workspace: Workspace,
    options: ExchangeOptions = ExchangeOptions()
  ) {
    self.group = group
    placement = ExpertPlacement(expertCount: expertCount, rankCount: group.size)
    self.workers = workers
    self.workspace = workspace
    self.options = options
  }

  /// The slots that this rank hosts: the experts themselves until some are re-placed.
  package var hostedSlots: Range<Int> { placement.experts(of: group.rank) }

  package func arrangement(ofLayer layer: Int) -> ExpertArrangement {
    arrangements[layer] ?? ExpertArrangement(expertCount: placement.expertCount)
  }

  /// The experts of a layer that this rank hosts, slot after slot.
  package func hostedExperts(ofLayer layer: Int) -> [Int] {
    guard let arrangement = arrangements[layer] else { return Array(hostedSlots) }
    return Array(arrangement.expertOfSlot[hostedSlots])
  }

  /// More hosts than that cannot be joined by a two-level exchange.
  package static let mostRelayedHosts = RelayLeg.mostHosts

  /// How ranks of other hosts are reached; nil for directly.
  package var routes: HostRoutes? {
    guard let hosts = options.relayedHosts, hosts.hostCount > 1 else { return nil }
    precondition(
      hosts.rankCount == group.size && hosts.hostCount <= RelayLeg.mostHosts && options.policy != .pairwise,
      "a two-level exchange of \(group.size) ranks on \(hosts.hostCount) hosts, \(options.policy)")
    return HostRoutes(hosts, own: group.rank)
  }

  func nextSequence() -> Int32 {
    defer { sequence &+= 1 }
    return sequence
  }
}
