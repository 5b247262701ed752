package import Communication
package import Kernels
package import Tensors
package import Topology

/// The Euclidean norm of the gradient of all parameters, those of other ranks included, each counted once.
///
/// One rank measures a tensor: the replicated ones are dealt out over all ranks, an expert's are measured by the rank
/// that hosts it in the first expert-parallel group. The sums of squares of all tensors come together on all ranks
/// and are added in the order of the tensors' names, so the norm does not depend on how many ranks there are.
package struct GradientNorm {
  /// What this rank measures: a tensor's slot here and its place among all names.
  private let measured: [(slot: ParameterSlot, place: Int)]
  /// A sum of squares for each tensor of the model, in the order of their names.
  private let sums: Buffer<Double>

  /// - Parameters:
  ///   - layout: of this rank's gradients.
  ///   - names: of all tensors of the model, on whichever rank they are, in any order.
  package init(layout: ParameterLayout, allNames names: [String], topology: ParallelTopology, rank: Rank) {
    let places = Dictionary(uniqueKeysWithValues: names.sorted().enumerated().map { ($1, $0) })
    let ownsExperts = topology.expertParallelGroup(of: rank) == 0
    measured = layout.slots.enumerated().compactMap { index, slot in
      let isMine = layout.isReplicated(slot) ? index % topology.worldSize == rank.index : ownsExperts
      guard isMine else { return nil }
      guard let place = places[slot.name] else { preconditionFailure("\(slot.name) is not among the model's tensors") }
      return (slot, place)
    }
    sums = Buffer(count: names.count)
  }

  /// Takes in the tensors of a part of the gradient, which are final. Each is taken once before the next norm.
  package func take(
    _ gradients: ParameterBuffer, in range: Range<Int>, workers: WorkerPool, betweenTensors: () -> Void = {}
  ) {
    for (slot, place) in measured where range.contains(slot.range.lowerBound) {
      sums[place] = sumOfSquares(gradients.values[slot.range], workers: workers)
      betweenTensors()
    }
  }

  /// The norm of the gradient that was taken in. Every rank of `world` calls it and gets the same bits.
  package func finish(over world: any Communicator) throws(CommunicationError) -> Double {
    try world.sum(sums)
    defer { sums.fill(0) }
    var total = 0.0
    for place in 0..<sums.count { total += sums[place] }
    return total.squareRoot()
  }

  /// What to multiply a gradient of this norm by so that it is no longer than `limit`: min(1, limit / (norm + 10⁻⁶)).
  package static func clippingScale(norm: Double, limit: Double?) -> Double {
    guard let limit else { return 1 }
    return min(1, limit / (norm + 1e-6))
  }
}
