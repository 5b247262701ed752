import Communication
import ExpertParallel
import Foundation
import Kernels
import LanguageModel
import Planning
import Topology

/// Predicts how long a layer takes under each schedule on this job's ranks, and takes what is fastest.
///
/// All ranks have the same machine model and the same layer, so they come to the same choice.
struct ExchangeAdvisor {
  let machine: MachineModel
  let hosts: HostMap
  let topology: ParallelTopology
  let threadCount: Int
  let isTraining: Bool

  /// A layer, and how popular its experts are: in proportion to (i + 1)^−skew.
  struct Layer {
    let shape: LayerShape
    var skew = 0.0
  }

  /// The flags' options, with the schedule that is predicted to be fastest where the flags name none.
  func options(_ flags: ExchangeFlags, for layer: Layer) -> ExchangeOptions {
    var options = flags.options
    guard flags.schedule == nil else { return options }
    options.policy = isAlone ? .eager : fastest(options, for: layer)
    return options
  }

  /// Seconds of one layer's forward pass and, in training, its backward pass.
  func seconds(_ options: ExchangeOptions, for layer: Layer) -> Double {
    StepPrediction(
      layer.shape, traffic(layer), on: cluster, settings(options, layer), isTraining: isTraining
    ).seconds
  }

  /// Decides in each step which experts are shadowed; nil where shadows are off, or there is nobody to spare.
  func shadowing(_ flags: ExchangeFlags, for shape: LayerShape) -> ShadowPolicy? {
    guard flags.shadow == .on, !isAlone else { return nil }
    let costs = LayerCosts(
      machine: machine,
      shape: ExpertShape(
        hiddenSize: shape.hiddenSize, intermediateSize: shape.intermediateSize, matrixCount: shape.inputMatrixCount + 1,
        elementBytes: 4),
      hostOfRank: groupHosts, threadsPerRank: threadCount, passes: isTraining ? .training : .forward)
    return ShadowPolicy(costs: costs, memoryBytes: flags.shadowMemory << 20)
  }

  private var isAlone: Bool { topology.expertParallelSize == 1 }

  /// Eager among equals: a schedule that is not predicted to be faster by more than the model errs is not taken.
  private func fastest(_ options: ExchangeOptions, for layer: Layer) -> SchedulePolicy {
    func predicted(_ policy: SchedulePolicy) -> Double {
      var other = options
      other.policy = policy
      return seconds(other, for: layer)
    }
    let eager = predicted(.eager)
    let others = [SchedulePolicy.sequential, .pairwise].map { ($0, predicted($0)) }
    guard let best = others.min(by: { $0.1 < $1.1 }), best.1 < 0.97 * eager else { return .eager }
    return best.0
  }

  /// The hosts of the first expert-parallel group's ranks, counted from 0; the other groups lie alike.
  private var groupHosts: [Int] {
    let names = (0..<topology.expertParallelSize).map { hosts.hostOfRank[$0] }
    return HostMap(names: names).hostOfRank.map(Int.init)
  }

  private var cluster: SimulatedCluster {
    SimulatedCluster(
      hosts: hosts, linkBytesPerSecond: machine.otherHost.bytesPerSecond * Double(hosts.mostRanksOfHost),
      machine: machine)
  }

  private func traffic(_ layer: Layer) -> ExchangeTraffic {
    let weights = (0..<layer.shape.expertCount).map { pow(Double($0 + 1), -layer.skew) }
    return ExchangeTraffic(
      ExpertPopularity(weights: weights, expertsPerToken: layer.shape.expertsPerToken),
      tokenCount: layer.shape.tokenCount, topology: topology)
  }

  private func settings(_ options: ExchangeOptions, _ layer: Layer) -> SimulationSettings {
    SimulationSettings(
      policy: options.policy, chunkRows: options.chunkRows(width: layer.shape.hiddenSize),
      cut: options.cut(isAlone: isAlone), window: options.window, groupSize: options.groupSize,
      threadCount: threadCount)
  }
}

/// What was decided for the expert layers of a model, with what is predicted of them.
struct ExchangeAdvice: CustomStringConvertible {
  private let options: ExchangeOptions
  /// Of all expert layers, for the tokens that pass through the model at once.
  let predictedMilliseconds: Double

  /// Decides, and sets the runtime accordingly. Every rank calls it.
  init(
    _ flags: ExchangeFlags, _ calibration: CalibrationOptions, for model: ModelConfiguration, tokenCount: Int,
    _ runtime: ModelRuntime, _ worker: Worker
  ) throws {
    let advisor = ExchangeAdvisor(
      machine: try worker.machineModel(runtime.workers, calibration), hosts: worker.hostMap, topology: runtime.topology,
      threadCount: runtime.workers.threadCount, isTraining: true)
    let layer = ExchangeAdvisor.Layer(
      shape: LayerShape(
        tokenCount: tokenCount, hiddenSize: model.hiddenSize, intermediateSize: model.intermediateSize,
        expertCount: model.expertCount, expertsPerToken: model.expertsPerToken, inputMatrixCount: 2))
    options = advisor.options(flags, for: layer)
    let layerCount = (0..<model.layerCount).count(where: model.hasExperts)
    predictedMilliseconds = 1e3 * Double(layerCount) * advisor.seconds(options, for: layer)
    runtime.experts.options = options
    runtime.experts.follow(advisor.shadowing(flags, for: layer.shape))
    if flags.progress == .thread { worker.world.startProgressThread() }
  }

  var description: String {
    "exchange     \(options.policy.rawValue), expert layers predicted at \(Int(predictedMilliseconds.rounded())) ms "
      + "a micro-batch"
  }
}

extension ExpertRuntime {
  /// Lets a policy decide from step to step; it remembers what it decided for each layer.
  func follow(_ policy: ShadowPolicy?) {
    guard let policy else { return }
    let owners = (0..<placement.expertCount).map { placement.host(of: GlobalExpert($0)).index }
    var previous: [Int: ShadowPlan] = [:]
    chooseShadows = { load, layer in
      let plan = policy.plan(load, owners: owners, previous: previous[layer] ?? .none)
      previous[layer] = plan
      return plan
    }
  }
}
