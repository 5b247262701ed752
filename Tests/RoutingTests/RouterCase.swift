import Kernels
import Planning
import Routing
import Tensors

/// Random tokens and router weights of some layers, in both forms.
struct RouterCase {
  let router: TopKRouter
  let naive: NaiveRouter
  let layers: [(x: Tensor, weight: Tensor)]
  let workspace = Workspace()
  let workers = WorkerPool(threadCount: 1)

  init(
    tokenCount: Int, hiddenSize: Int, expertCount: Int, expertsPerToken: Int, layerCount: Int = 1, seed: UInt64 = 7,
    topology: TopologyBudget? = nil
  ) {
    router = TopKRouter(expertCount: expertCount, expertsPerToken: expertsPerToken, topology: topology)
    naive = NaiveRouter(expertCount: expertCount, expertsPerToken: expertsPerToken)
    layers = (0..<layerCount).map { layer in
      (
        Self.random(tokenCount, hiddenSize, CounterRandom(seed: seed, stream: "x\(layer)")),
        Self.random(expertCount, hiddenSize, CounterRandom(seed: seed, stream: "w\(layer)"))
      )
    }
  }

  static func random(_ rows: Int, _ columns: Int, _ random: CounterRandom) -> Tensor {
    Tensor((0..<rows * columns).map { random.normal(UInt64($0)) }, shape: Shape(rows: rows, columns: columns))
  }

  func forward(
    _ layer: Int = 0, capacity: CapacityPolicy = .dropless, sequenceLength: Int? = nil
  ) -> TopKRouter.Saved {
    router.forward(
      layers[layer].x, weight: layers[layer].weight, capacity: capacity,
      sequenceLength: sequenceLength ?? layers[layer].x.rows, workspace: workspace, workers: workers)
  }

  func statistics(_ saved: [TopKRouter.Saved]) -> RoutingStatistics {
    let statistics = RoutingStatistics(
      expertCount: router.expertCount, layerCount: saved.count, workspace: workspace)
    for (layer, routing) in saved.enumerated() { statistics.add(routing, layer: layer) }
    return statistics
  }

  func naiveTokens(_ layer: Int = 0) -> [NaiveRouter.Token] {
    naive.route(Self.doubles(layers[layer].x), weight: Self.doubles(layers[layer].weight))
  }

  static func doubles(_ tensor: Tensor) -> [[Double]] {
    (0..<tensor.rows).map { row in (0..<tensor.columns).map { Double(tensor[row, $0]) } }
  }
}
