package import Communication
package import Tensors
package import Topology

/// Adds up the ranks' gradients while backward still runs.
///
/// Replicated parameters are summed over all ranks, an expert's over the ranks that host a copy of it; an expert that
/// lives once needs no sum; of an embedding table only the rows travel that the batch has touched. Nothing is averaged:
/// each rank's loss is already divided by the whole batch's tokens. Sums are made in rank order, so the bits do not
/// depend on when messages arrive.
///
///     touch(tokens)                        for each micro-batch
///     begin()                              before the last micro-batch's backward
///     finish(range)                        from backward, as gradients become final: starts buckets
///     poke()                               between tasks: moves messages
///     complete(isFinal)                    before the optimizer
package final class GradientReduction {
  /// An embedding table whose gradient is zero but for the rows of the batch's tokens.
  package struct SparseTable {
    let slot: ParameterSlot
    let mostTokens: Int

    /// - Parameters:
    ///   - slot: the first one of the layout.
    ///   - mostTokens: tokens of a batch, over all ranks.
    package init(_ slot: ParameterSlot, mostTokens: Int) {
      precondition(slot.range.lowerBound == 0, "\(slot.name) does not lie before all other parameters")
      self.slot = slot
      self.mostTokens = mostTokens
    }
  }

  private let sums: [BucketSums]
  private let tableSums: TouchedRowSums?
  private let tableRange: Range<Int>
  private let elementCount: Int
  /// What went wrong in a poke, which cannot throw.
  private var failure: CommunicationError?

  /// - Parameters:
  ///   - table: an embedding table whose gradient is sparse, if there is one.
  ///   - bucketSize: elements that are summed together; a different size changes no bits.
  /// - Note: every rank of `world` must call it: it forms groups of ranks.
  package init(
    of gradients: ParameterBuffer, table: SparseTable? = nil, world: any Communicator, topology: ParallelTopology,
    bucketSize: Int = GradientBuckets.defaultSize
  ) throws(CommunicationError) {
    let layout = gradients.layout
    var sums: [BucketSums] = []
    var tableSums: TouchedRowSums?
    tableRange = table?.slot.range ?? 0..<0
    elementCount = layout.count
    if topology.worldSize > 1 {
      if let table {
        tableSums = TouchedRowSums(
          gradients[table.slot], mostTokens: table.mostTokens, bucketSize: bucketSize, over: try world.split(color: 0))
      }
      let buckets = GradientBuckets(tableRange.upperBound..<layout.replicatedCount, of: layout, size: bucketSize)
      sums.append(BucketSums(buckets, of: gradients, over: try world.split(color: 0)))
    }
    if topology.dataParallelSize > 1 {
      let replicas = try world.split(color: topology.dataParallelGroup(of: world.rank))
      let buckets = GradientBuckets(layout.replicatedCount..<layout.count, of: layout, size: bucketSize)
      sums.append(BucketSums(buckets, of: gradients, over: replicas))
    }
    self.sums = sums
    self.tableSums = tableSums
  }

  /// Takes note of tokens whose embeddings get a gradient on this rank.
  package func touch(_ tokens: Buffer<Int32>) { tableSums?.touch(tokens) }

  /// Begins a backward pass whose gradients will be final. Every rank calls it, when it has touched all of its tokens.
  package func begin() throws(CommunicationError) {
    for sum in sums { sum.begin() }
    try tableSums?.begin()
  }

  /// Takes note that this rank's gradients of a range are final; starts the sums of what that completes. The sparse
  /// table's are reported at once.
  package func finish(_ range: Range<Int>) throws(CommunicationError) {
    try throwFailure()
    for sum in sums { try sum.finish(range) }
    if let tableSums, range.overlaps(tableRange) { try tableSums.finish() }
  }

  /// Moves messages without waiting. An error shows in the next call that can throw.
  package func poke() {
    guard failure == nil else { return }
    do throws(CommunicationError) {
      for sum in sums { try sum.advance() }
      try tableSums?.advance()
    } catch {
      failure = error
    }
  }

  /// Waits until every gradient is the sum over its ranks. The sparse table's come last, because backward ends with them.
  ///
  /// - Parameter isFinal: is told of the others, which can be worked on while the table's travel, then of the table's.
  package func complete(_ isFinal: (Range<Int>) -> Void = { _ in }) throws(CommunicationError) {
    try throwFailure()
    for sum in sums { try sum.complete() }
    isFinal(tableRange.upperBound..<elementCount)
    try throwFailure()
    try tableSums?.complete()
    isFinal(tableRange)
  }

  private func throwFailure() throws(CommunicationError) {
    if let failure { throw failure }
  }
}
