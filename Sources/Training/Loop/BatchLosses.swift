import Kernels
import Routing

/// What the micro-batches of a step add up to.
struct BatchLosses {
  /// Cross-entropy of this rank's predicted tokens, summed.
  private(set) var lossSum = 0.0
  // Sums over micro-batches of values that are the same on all ranks.
  private var balanceLoss = 0.0
  private var zLoss = 0.0
  private var loadImbalance = 0.0
  private var droppedFraction = 0.0
  /// Rows that each expert computed, by layer with experts.
  private var expertRows: [[Int]] = []

  /// Adds a micro-batch.
  ///
  /// - Parameter routing: already summed over ranks.
  mutating func add(_ crossEntropy: CrossEntropySum, _ routing: RoutingStatistics) {
    lossSum += crossEntropy.lossSum
    balanceLoss += routing.loadBalancingLoss
    zLoss += routing.routerZLoss
    loadImbalance += routing.loadImbalance
    droppedFraction += routing.droppedFraction
    let rows = (0..<routing.layerCount).map { layer in
      (0..<routing.expertCount).map { Int(routing.rows(layer: layer, expert: $0)) }
    }
    expertRows = expertRows.isEmpty ? rows : zip(expertRows, rows).map { zip($0, $1).map(+) }
  }

  /// Writes the means over micro-batches, and the rows of all of them.
  func record(in metrics: inout StepMetrics, microBatchCount: Int) {
    let count = Double(microBatchCount)
    metrics.balanceLoss = balanceLoss / count
    metrics.zLoss = zLoss / count
    metrics.loadImbalance = loadImbalance / count
    metrics.droppedFraction = droppedFraction / count
    metrics.expertRows = expertRows
  }
}
