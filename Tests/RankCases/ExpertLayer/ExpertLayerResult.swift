/// What a layer's forward and backward passes give: of the whole batch and all experts, or of one rank's part.
package struct ExpertLayerResult: Sendable {
  package var out: [Float] = []
  package var dx: [Float] = []
  package var dGateWeights: [Float] = []
  package var dWeights: [ExpertBatch.Matrices] = []

  /// The ranks' parts one after another: tokens lie in blocks, experts too.
  package init(joining parts: [ExpertLayerResult]) {
    out = parts.flatMap(\.out)
    dx = parts.flatMap(\.dx)
    dGateWeights = parts.flatMap(\.dGateWeights)
    dWeights = parts.flatMap(\.dWeights)
  }

  package init(out: [Float], dx: [Float], dGateWeights: [Float], dWeights: [ExpertBatch.Matrices]) {
    self.out = out
    self.dx = dx
    self.dGateWeights = dGateWeights
    self.dWeights = dWeights
  }

  /// All numbers by name.
  private var named: [(name: String, values: [Float])] {
    [("out", out), ("dx", dx), ("dGateWeights", dGateWeights)]
      + dWeights.indices.flatMap { expert in
        [
          ("dInput of expert \(expert)", dWeights[expert].input),
          ("dOutput of expert \(expert)", dWeights[expert].output),
        ]
      }
  }

  /// Where the bits differ first, or nil.
  package func firstDifference(from other: ExpertLayerResult) -> String? {
    guard named.count == other.named.count else { return "\(dWeights.count) experts, \(other.dWeights.count) experts" }
    for (mine, theirs) in zip(named, other.named) {
      guard mine.values.count == theirs.values.count else {
        return "\(mine.name) has \(mine.values.count) numbers, not \(theirs.values.count)"
      }
      for (index, pair) in zip(mine.values, theirs.values).enumerated() where pair.0.bitPattern != pair.1.bitPattern {
        return "\(mine.name)[\(index)] is \(pair.0), not \(pair.1)"
      }
    }
    return nil
  }

  /// The largest difference in a tensor, in units of its largest value, and the tensor; NaN counts as infinite.
  package func largestError(against expected: ExpertLayerResult) -> (error: Float, place: String) {
    var worst: (error: Float, place: String) = (0, "nowhere")
    for (mine, wanted) in zip(named, expected.named) {
      guard mine.values.count == wanted.values.count else { return (.infinity, "the size of \(mine.name)") }
      let scale = wanted.values.map(\.magnitude).max() ?? 0
      for (index, pair) in zip(mine.values, wanted.values).enumerated() {
        let difference = (pair.0 - pair.1).magnitude
        let error = difference == 0 ? 0 : difference.isNaN || scale == 0 ? .infinity : difference / scale
        if error > worst.error { worst = (error, "\(mine.name)[\(index)]: \(pair.0), not \(pair.1)") }
      }
    }
    return worst
  }
}
