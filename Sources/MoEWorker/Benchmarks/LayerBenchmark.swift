import Communication
import ExpertParallel
import Kernels
import Planning
import Routing
import Tensors
import Topology

/// One MoE layer on random tokens and weights: router, dispatch, experts, combine, and their backward.
///
/// Every number is a function of its place in the whole batch and layer, so the layer is the same at any number of ranks.
struct LayerBenchmark {
  /// What the layer is; the token count is over all ranks.
  struct Shape: Hashable {
    var tokenCount: Int
    var hiddenSize: Int
    var intermediateSize: Int
    var expertCount: Int
    var expertsPerToken: Int
    var activation: ExpertActivation
    /// Expert i is chosen in proportion to (i + 1)^−skew; 0 leaves the choice to the router.
    var skew = 0.0
    var capacity = CapacityPolicy.dropless

    /// Floating-point operations of the experts' matmuls: 2·T·K·(matrices)·D·F forward, three times that for training.
    func flops(_ mode: Mode) -> Double {
      let matrices = Double(activation.inputMatrixCount + 1)
      let forward =
        2 * Double(tokenCount * expertsPerToken) * matrices * Double(hiddenSize) * Double(intermediateSize)
      return mode == .train ? 3 * forward : forward
    }
  }

  enum Mode: String, CaseIterable {
    case forward, train
  }

  let shape: Shape
  var router: TopKRouter
  let runtime: ExpertRuntime
  /// This rank's tokens [T, D] and the gradient of its output.
  let x, outputGradient: Tensor
  let routerWeight: Tensor
  let experts: [ExpertWeights]
  let output: Tensor
  let dx: Tensor
  let routerGradient: Tensor
  let expertGradients: [ExpertWeights]
  private let dGateWeights: Tensor
  /// Replaces the router's choices where popularity is given.
  private let choices: [Int32]?

  init(_ shape: Shape, over world: any Communicator, workers: WorkerPool) {
    self.shape = shape
    let tokens = BlockPartition(count: shape.tokenCount, parts: world.size).range(of: world.rank.index)
    let (d, e) = (shape.hiddenSize, shape.expertCount)
    router = TopKRouter(expertCount: e, expertsPerToken: shape.expertsPerToken)
    runtime = ExpertRuntime(group: world, expertCount: e, workers: workers, workspace: Workspace())
    x = Self.random("x", rows: tokens, columns: d, deviation: 1, workers)
    outputGradient = Self.random("outputGradient", rows: tokens, columns: d, deviation: 1, workers)
    routerWeight = Self.random("router", rows: 0..<e, columns: d, deviation: 1 / Float(d).squareRoot(), workers)
    experts = Self.experts(runtime.hostedSlots, shape, workers)
    expertGradients = experts.map {
      ExpertWeights(input: Tensor(zeros: $0.input.shape), output: Tensor(zeros: $0.output.shape))
    }
    output = Tensor(zeros: x.shape)
    dx = Tensor(zeros: x.shape)
    routerGradient = Tensor(zeros: routerWeight.shape)
    dGateWeights = Tensor(zeros: Tensors.Shape(rows: tokens.count, columns: shape.expertsPerToken))
    choices = shape.skew > 0 ? SkewedChoices(shape).experts(of: tokens) : nil
  }

  /// Some of the layer's experts; any rank can make any of them.
  static func experts(_ indices: Range<Int>, _ shape: Shape, _ workers: WorkerPool) -> [ExpertWeights] {
    let (d, f) = (shape.hiddenSize, shape.intermediateSize)
    let inner = shape.activation.inputMatrixCount * f
    return indices.map { expert in
      ExpertWeights(
        input: random("input \(expert)", rows: 0..<inner, columns: d, deviation: 1 / Float(d).squareRoot(), workers),
        output: random("output \(expert)", rows: 0..<d, columns: f, deviation: 1 / Float(f).squareRoot(), workers))
    }
  }

  /// Normally distributed rows of a matrix that is the same on all ranks.
  private static func random(
    _ name: String, rows: Range<Int>, columns: Int, deviation: Float, _ workers: WorkerPool
  ) -> Tensor {
    let random = CounterRandom(seed: 0, stream: name)
    let result = Tensor(zeros: Tensors.Shape(rows: rows.count, columns: columns))
    workers.run(rows.count) { row, _ in
      let first = UInt64((rows.lowerBound + row) * columns)
      for column in 0..<columns { result[row, column] = deviation * random.normal(first + UInt64(column)) }
    }
    return result
  }

  /// How long the phases of a pass took on this rank.
  struct PassTimes {
    var forward = Duration.zero
    var backward = Duration.zero
    /// The exchange that was made, for `ExpertRuntime.exchangeAlone`.
    var exchange: ExchangePlan
    var shadowedExpertCount = 0
  }

  /// One pass over the layer; all ranks together.
  @discardableResult
  func run(_ mode: Mode) throws -> PassTimes {
    let workspace = runtime.workspace
    let mark = workspace.mark()
    defer { workspace.release(to: mark) }
    let start = ContinuousClock.now
    let chosen = router.forward(
      x, weight: routerWeight, capacity: shape.capacity, sequenceLength: max(x.rows, 1), workspace: workspace,
      workers: runtime.workers)
    let routing =
      choices.map { chosen.choosing($0, capacity: shape.capacity, sequenceLength: max(x.rows, 1)) } ?? chosen
    let tokenLimit = BlockPartition(count: shape.tokenCount, parts: runtime.group.size).largestSize
    let saved = try runtime.forward(
      x, routing.decision, experts: experts, activation: shape.activation, tokenLimit: tokenLimit, into: output)
    let middle = ContinuousClock.now
    var times = PassTimes(
      forward: middle - start, exchange: saved.plan, shadowedExpertCount: saved.shadowedExpertCount)
    guard mode == .train else { return times }
    try runtime.backward(
      outputGradient, saved: saved, experts: experts, activation: shape.activation, gradients: expertGradients,
      accumulating: false, into: dx, dGateWeights: dGateWeights)
    routerGradient.fill(0)
    router.backward(
      dGateWeights, x: x, weight: routerWeight, saved: routing, lossGradient: .none(expertCount: shape.expertCount),
      accumulatingInto: dx,
      accumulatingWeight: routerGradient, workspace: workspace, workers: runtime.workers)
    times.backward = ContinuousClock.now - middle
    return times
  }

  /// Runs a training pass and compares some tokens' outputs and gradients with plain loops.
  ///
  /// - Returns: the largest difference on this rank, over the largest value compared.
  func verify(sampleCount: Int = 8) throws -> Double {
    try run(.train)
    let naive = NaiveLayer(self, experts: Self.experts(0..<shape.expertCount, shape, runtime.workers))
    var (difference, largest) = (0.0, 0.0)
    for token in stride(from: 0, to: x.rows, by: max(1, x.rows / sampleCount)) {
      let row = { (tensor: Tensor) in (0..<tensor.columns).map { Double(tensor[token, $0]) } }
      let expected = naive.evaluate(row(x), outputGradient: row(outputGradient))
      for (found, expected) in zip(row(output) + row(dx), expected.y + expected.dx) {
        difference = max(difference, abs(found - expected))
        largest = max(largest, abs(expected))
      }
    }
    return largest > 0 ? difference / largest : 0
  }
}
