package import Communication
package import Tensors
package import Topology

/// Adds up the ranks' gradients while backward still runs.
///
/// Replicated parameters are summed over all ranks, an expert's over the ranks that host a copy of it; an expert that
/// lives once needs no sum. Nothing is averaged: each rank's loss is already divided by the whole batch's tokens.
/// Sums are made in rank order, so the bits do not depend on when messages arrive.
///
///     begin()                              before the last micro-batch's backward
///     finish(range)                        from backward, as gradients become final: starts buckets
///     poke()                               between tasks: moves messages
///     complete()                           before the optimizer
package final class GradientReduction {
  private let sums: [BucketSums]
  /// What went wrong in a poke, which cannot throw.
  private var failure: CommunicationError?

  /// - Parameters:
  ///   - bucketSize: elements that are summed together; a different size changes no bits.
  /// - Note: every rank of `world` must call it: it forms groups of ranks.
  package init(
    of gradients: ParameterBuffer, world: any Communicator, topology: ParallelTopology,
    bucketSize: Int = GradientBuckets.defaultSize
  ) throws(CommunicationError) {
    let layout = gradients.layout
    var sums: [BucketSums] = []
    if topology.worldSize > 1 {
      let buckets = GradientBuckets(0..<layout.replicatedCount, of: layout, size: bucketSize)
      sums.append(BucketSums(buckets, of: gradients, over: try world.split(color: 0)))
    }
    if topology.dataParallelSize > 1 {
      let replicas = try world.split(color: topology.dataParallelGroup(of: world.rank))
      let buckets = GradientBuckets(layout.replicatedCount..<layout.count, of: layout, size: bucketSize)
      sums.append(BucketSums(buckets, of: gradients, over: replicas))
    }
    self.sums = sums
  }

  /// Begins a backward pass whose gradients will be final.
  package func begin() {
    for sum in sums { sum.begin() }
  }

  /// Takes note that this rank's gradients of a range are final; starts the sums of what that completes.
  package func finish(_ range: Range<Int>) throws(CommunicationError) {
    try throwFailure()
    for sum in sums { try sum.finish(range) }
  }

  /// Moves messages without waiting. An error shows in the next call that can throw.
  package func poke() {
    guard failure == nil else { return }
    do throws(CommunicationError) {
      for sum in sums { try sum.advance() }
    } catch {
      failure = error
    }
  }

  /// Waits until every gradient is the sum over its ranks.
  package func complete() throws(CommunicationError) {
    try throwFailure()
    for sum in sums { try sum.complete() }
  }

  private func throwFailure() throws(CommunicationError) {
    if let failure { throw failure }
  }
}
