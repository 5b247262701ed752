import Topology

/// The sizes of one expert.
package struct ExpertShape: Hashable, Sendable {
  package let hiddenSize: Int
  package let intermediateSize: Int
  /// hidden × intermediate matrices: 2 for GELU, 3 for SwiGLU.
  package let matrixCount: Int
  package let elementBytes: Int

  package init(hiddenSize: Int, intermediateSize: Int, matrixCount: Int, elementBytes: Int) {
    self.hiddenSize = hiddenSize
    self.intermediateSize = intermediateSize
    self.matrixCount = matrixCount
    self.elementBytes = elementBytes
  }

  package var rowBytes: Int { hiddenSize * elementBytes }
  package var parameterCount: Int { matrixCount * hiddenSize * intermediateSize }
  package var parameterBytes: Int { parameterCount * elementBytes }
  /// One multiplication and one addition per parameter; backward takes twice that, for the gradients of rows and weights.
  var forwardFlopsPerRow: Double { 2 * Double(parameterCount) }
}

/// Whether a layer is only evaluated or also differentiated.
package enum LayerPasses: Hashable, Sendable {
  case forward, training

  var phaseCount: Double { self == .training ? 2 : 1 }
}

/// What rows, products and parameters of a layer cost on a group of ranks.
package struct LayerCosts: Hashable, Sendable {
  package let machine: MachineModel
  package let shape: ExpertShape
  /// The host of each rank. [W]
  package let hostOfRank: [Int]
  package let threadsPerRank: Int
  package let passes: LayerPasses

  /// What a rank forwards at a time of the parameters and gradients that travel along a chain: as large as costs little
  /// beside its latency, so that long chains fill fast.
  package static let pieceBytes = 65_536

  /// - Parameter hostOfRank: hosts counted from 0; each one has a rank.
  package init(
    machine: MachineModel, shape: ExpertShape, hostOfRank: [Int], threadsPerRank: Int, passes: LayerPasses
  ) {
    self.machine = machine
    self.shape = shape
    self.hostOfRank = hostOfRank
    self.threadsPerRank = threadsPerRank
    self.passes = passes
  }

  package var rankCount: Int { hostOfRank.count }
  var hostCount: Int { (hostOfRank.max() ?? -1) + 1 }

  /// An expert's products over some rows, once.
  func forwardSeconds(rows: Int) -> Double {
    guard rows > 0 else { return 0 }
    let rate = machine.matmul.flopsPerSecond(rows: rows) * Double(threadsPerRank)
    return Double(rows) * shape.forwardFlopsPerRow / rate
  }

  /// Adding an arriving gradient to a rank's own: two are read, one is written.
  var addSeconds: Double { 3 * Double(shape.parameterBytes) / machine.copyBytesPerSecond }

  /// The predicted time of a layer's exchange and experts, forward and, when training, backward.
  ///
  /// - Parameter owners: the rank that hosts each expert. [E]
  package func predictedSeconds(_ load: RoutingLoad, owners: [Int], shadows: ShadowPlan = .none) -> Double {
    var loads = LayerLoads(self, load, owners: owners)
    for chain in shadows.chains {
      for rank in chain.ranks { loads.addShadow(of: chain.expert.index, on: rank.index) }
    }
    return loads.predictedSeconds
  }
}
