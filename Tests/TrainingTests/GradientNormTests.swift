import Communication
import Kernels
import Tensors
import Testing
import Topology
import Training

struct GradientNormTests {
  static let topologies = [(1, 1), (2, 2), (2, 1), (3, 3), (4, 4), (4, 2), (4, 1), (6, 3)].map {
    ParallelTopology(worldSize: $0.0, expertParallelSize: $0.1)
  }

  private func norms(_ topology: ParallelTopology, scale: Float = 1) throws -> [Double] {
    let model = DividedModel(topology: topology)
    let names = model.wholeLayout.slots.map(\.name)
    return try LoopbackFabric.run(ranks: topology.worldSize) { world in
      let gradients = ParameterBuffer(zeros: model.layout(of: world.rank))
      DividedModel.fill(gradients, stream: 3)
      for index in 0..<gradients.values.count { gradients.values[index] *= scale }
      let norm = GradientNorm(
        layout: gradients.layout, allNames: names.reversed(), topology: topology, rank: world.rank)
      let workers = WorkerPool(threadCount: 1)
      let all = 0..<gradients.layout.count
      norm.take(gradients, in: all, workers: workers)
      let first = try norm.finish(over: world)
      // In two parts, as when some gradients are final before others.
      let cut = gradients.layout.slots[gradients.layout.slots.count / 2].range.lowerBound
      norm.take(gradients, in: cut..<all.upperBound, workers: workers)
      norm.take(gradients, in: 0..<cut, workers: workers)
      let again = try norm.finish(over: world)
      #expect(first.bitPattern == again.bitPattern)
      return first
    }
  }

  @Test("the norm counts every tensor of every rank once", arguments: topologies)
  func everyTensorOnce(topology: ParallelTopology) throws {
    let whole = ParameterBuffer(zeros: DividedModel(topology: topology).wholeLayout)
    DividedModel.fill(whole, stream: 3)
    let squares = whole.values.elements.reduce(0.0) { $0 + Double($1) * Double($1) }
    for norm in try norms(topology) { #expect(abs(norm - squares.squareRoot()) < 1e-6 * norm) }
  }

  @Test("the norm's bits do not depend on the ranks", arguments: topologies)
  func sameBits(topology: ParallelTopology) throws {
    let alone = try norms(ParallelTopology(worldSize: 1, expertParallelSize: 1))
    for norm in try norms(topology) { #expect(norm == alone[0]) }
  }

  @Test func aGradientThatIsNoNumberHasNoNorm() throws {
    #expect(try norms(ParallelTopology(worldSize: 2, expertParallelSize: 2), scale: .nan).allSatisfy(\.isNaN))
  }

  @Test func onlyLongGradientsAreScaledDown() {
    #expect(GradientNorm.clippingScale(norm: 0.5, limit: 1) == 1)
    #expect(abs(GradientNorm.clippingScale(norm: 4, limit: 1) - 0.25) < 1e-6)
    #expect(GradientNorm.clippingScale(norm: 4, limit: 1) == 1 / (4 + 1e-6))
    #expect(GradientNorm.clippingScale(norm: 4, limit: nil) == 1)
    #expect(GradientNorm.clippingScale(norm: 0, limit: 1) == 1)
  }
}
