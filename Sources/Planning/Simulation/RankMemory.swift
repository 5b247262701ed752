import Topology

/// What a rank needs in memory for a step of the layer, in bytes of f32.
///
/// T tokens, R rows of its experts with padding, D hidden, F intermediate, J = matrices of the input · F. Of parameters there
/// are, in training, gradients and the optimizer's two moments as well.
struct RankMemory {
  let byteCount: Double

  init(_ traffic: ExchangeTraffic, rank: Int, _ shape: LayerShape, _ settings: SimulationSettings, isTraining: Bool) {
    let own = rank % traffic.groupSize
    let experts = traffic.placement.experts(of: Rank(own))
    let rows = experts.reduce(0.0) { sum, expert in
      sum + traffic.entries(group: rank / traffic.groupSize, expert: expert).reduce(0) { $0 + Double($1.count) }
    }
    let returned = (0..<traffic.groupSize).reduce(0.0) { sum, peer in
      peer == own ? sum : sum + Double(traffic.returnRows[traffic.pair(from: rank, to: peer)])
    }
    let (d, f) = (Double(shape.hiddenSize), Double(shape.intermediateSize))
    let j = Double(shape.inputMatrixCount) * f
    let parameters = Double(experts.count) * shape.parametersPerExpert + Double(shape.expertCount) * d
    // x and out; dOut and dx.
    let tokens = Double(traffic.tokenCounts[rank]) * d * (isTraining ? 4 : 2)
    // Rows, h and weights stay for the backward pass; forward adds y, backward g, dh, the weighted a and dx.
    let activations = rows * (d + j + 1) + rows * (isTraining ? 2 * d + j + f : d) + returned * d
    let messages = 2 * Double(settings.window.total) * Double(settings.chunkRows) * d
    byteCount = 4 * (parameters * (isTraining ? 4 : 1) + tokens + activations + messages)
  }
}
