/// What one rank did in a simulated pass, in seconds.
package struct RankPass: Hashable, Sendable {
  /// The experts' tasks.
  package var compute = 0.0
  package var router = 0.0
  /// Time in which it had nothing to do and waited for messages.
  package var idle = 0.0
  package var end = Double.infinity
}

/// One pass of all ranks, in seconds.
package struct PassPrediction: Hashable, Sendable {
  /// Until the last rank has finished.
  package let seconds: Double
  /// The slowest rank's compute.
  package let compute: Double
  /// The exchange alone: the busiest link's time for all bytes of the pass.
  package let exchange: Double
  /// No schedule can be faster: the larger of what the slowest rank computes at the best rate and of the exchange alone.
  package let bound: Double
  /// Whether computing, not the exchange, is that bound.
  package let isComputeBound: Bool
  package let ranks: [RankPass]

  /// How much longer the pass takes than the slowest rank computes.
  package var exposedExchange: Double { max(0, seconds - compute) }

  /// The same pass where the exchange takes so many seconds longer, or less than 0: shorter.
  package func prolonged(by more: Double) -> PassPrediction {
    PassPrediction(
      seconds: seconds + more, compute: compute, exchange: exchange, bound: bound, isComputeBound: isComputeBound,
      ranks: ranks)
  }
}

/// One step of a layer: a forward pass, and in training the backward pass.
package struct StepPrediction: Hashable, Sendable {
  package let passes: [PassPrediction]
  package let roofline: Roofline
  /// What a rank achieves of that roof: its share of the experts' operations over the time of the step.
  package let flopsPerSecondOfRank: Double
  /// The largest of any rank.
  package let memoryByteCount: Double

  package var seconds: Double { passes.reduce(0) { $0 + $1.seconds } }
  package var bound: Double { passes.reduce(0) { $0 + $1.bound } }
  package var compute: Double { passes.reduce(0) { $0 + $1.compute } }
  package var exchange: Double { passes.reduce(0) { $0 + $1.exchange } }
  package var exposedExchange: Double { passes.reduce(0) { $0 + $1.exposedExchange } }

  /// What most of the bound is.
  package var isComputeBound: Bool {
    passes.reduce(0) { $0 + ($1.isComputeBound ? $1.bound : -$1.bound) } >= 0
  }
}
