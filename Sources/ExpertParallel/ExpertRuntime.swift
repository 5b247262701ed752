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

  /// The experts that this rank hosts.
  package var hostedExperts: Range<Int> { placement.experts(of: group.rank) }

  func nextSequence() -> Int32 {
    defer { sequence &+= 1 }
    return sequence
  }
}
