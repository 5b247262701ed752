import Communication
import ExpertParallel
import Foundation
import Kernels
import LanguageModel
import Planning
import Topology
import Training

/// Predicts how long a layer takes under each schedule on this job's ranks, and takes what is fastest.
///
/// All ranks have the same machine model and the same layer, so they come to the same choice.
struct ExchangeAdvisor {
  var machine: MachineModel
  let hosts: HostMap
  let topology: ParallelTopology
  let threadCount: Int
  let isTraining: Bool

  /// A layer, and how popular its experts are: in proportion to (i + 1)^−skew.
  struct Layer {
    let shape: LayerShape
    var skew = 0.0
  }

  /// What the flags leave open, as is predicted to be fastest: the schedule, the size of messages, the groups of the
  /// pairwise schedule.
  ///
  /// Eager with usual messages among equals: what is not predicted to be faster by more than the model errs is not taken.
  func options(_ flags: ExchangeFlags, for layer: Layer) -> ExchangeOptions {
    let candidates = isAlone ? [usual(flags)] : candidates(flags, for: layer.shape)
    guard candidates.count > 1, messageCount(candidates, layer.shape) <= Self.mostMessages else { return candidates[0] }
    let predicted = candidates.map { seconds($0, for: layer) }
    guard let best = predicted.indices.min(by: { predicted[$0] < predicted[$1] }),
      predicted[best] < 0.97 * predicted[0]
    else { return candidates[0] }
    return candidates[best]
  }

  private func usual(_ flags: ExchangeFlags) -> ExchangeOptions {
    var options = flags.options
    if flags.schedule == nil { options.policy = .eager }
    if flags.route == .twoLevel { options.relayedHosts = relayedHosts }
    return options
  }

  /// The usual choice first.
  private func candidates(_ flags: ExchangeFlags, for shape: LayerShape) -> [ExchangeOptions] {
    let schedules = flags.schedule.map { [$0] } ?? [.eager, .sequential, .pairwise]
    let rows = Self.messageSizes.map { ExchangeOptions.rows(byteCount: $0, width: shape.hiddenSize) }
    var candidates = [usual(flags)]
    for schedule in schedules {
      for chunkRows in flags.chunkRows.map({ [$0] }) ?? rows {
        for groupSize in groupSizes(schedule, flags) {
          for hosts in routes(schedule, flags) {
            var options = flags.options
            (options.policy, options.chunkRows, options.groupSize) = (schedule, chunkRows, groupSize)
            options.relayedHosts = hosts
            candidates.append(options)
          }
        }
      }
    }
    return candidates
  }

  /// Directly, and by way of relays where a host has several ranks.
  private func routes(_ schedule: SchedulePolicy, _ flags: ExchangeFlags) -> [HostMap?] {
    switch flags.route {
    case .direct: [nil]
    case .twoLevel: schedule == .pairwise ? [] : [relayedHosts]
    case nil: schedule == .pairwise || relayedHosts == nil ? [nil] : [nil, relayedHosts]
    }
  }

  private var relayedHosts: HostMap? { ExchangeFlags.relayedHosts(groupHosts) }

  /// Single ranks, and the ranks of a host.
  private func groupSizes(_ schedule: SchedulePolicy, _ flags: ExchangeFlags) -> [Int] {
    if let groupSize = flags.groupSize { return [groupSize] }
    guard schedule == .pairwise, groupHosts.count > hosts.mostRanksOfHost else { return [1] }
    return Set([1, hosts.mostRanksOfHost]).sorted()
  }

  /// From where a message costs little more than its bytes to where little of it can be overlapped.
  private static let messageSizes = [32 << 10, 64 << 10, 128 << 10, 256 << 10]

  /// Messages in the simulations of one choice at most: a fraction of a second.
  private static let mostMessages = 200_000

  private func messageCount(_ candidates: [ExchangeOptions], _ shape: LayerShape) -> Int {
    let rows = shape.tokenCount * shape.expertsPerToken
    let pairs = topology.expertParallelSize * topology.worldSize
    return candidates.reduce(0) { $0 + 2 * (rows / $1.chunkRows(width: shape.hiddenSize) + pairs) }
  }

  /// Seconds of one layer's forward pass and, in training, its backward pass.
  func seconds(_ options: ExchangeOptions, for layer: Layer) -> Double {
    let traffic = traffic(layer)
    return StepPrediction(
      layer.shape, traffic, on: cluster,
      options.simulated(
        width: layer.shape.hiddenSize, rankCount: topology.expertParallelSize, threadCount: threadCount),
      isTraining: isTraining
    ).seconds + relaySeconds(options, layer.shape, traffic)
  }

  /// The same with the shadows that a policy would make of the traffic that is to be expected.
  ///
  /// Schedules are simulated without shadows; what these change is taken from the costs that the policy decides by.
  func seconds(_ options: ExchangeOptions, for layer: Layer, _ policy: ShadowPolicy?) -> Double {
    let seconds = seconds(options, for: layer)
    guard let policy else { return seconds }
    let traffic = traffic(layer)
    let load = traffic.load(expertsPerToken: layer.shape.expertsPerToken)
    let owners = (0..<load.expertCount).map { traffic.placement.host(of: GlobalExpert($0)).index }
    let plan = policy.plan(load, owners: owners)
    let before = policy.costs.predictedSeconds(load, owners: owners)
    guard !plan.isEmpty, before > 0 else { return seconds }
    return seconds * policy.costs.predictedSeconds(load, owners: owners, shadows: plan) / before
  }

  /// How much longer the exchange takes by way of relays.
  private func relaySeconds(_ options: ExchangeOptions, _ shape: LayerShape, _ traffic: ExchangeTraffic) -> Double {
    guard let hosts = options.relayedHosts else { return 0 }
    let pass = RelayCost(hosts, machine: machine).passSeconds(
      traffic, rowByteCount: 4 * Double(shape.hiddenSize), chunkRows: options.chunkRows(width: shape.hiddenSize))
    return isTraining ? 2 * pass : pass
  }

  /// Decides in each step which experts are shadowed; nil where shadows are off, or there is nobody to spare.
  func shadowing(_ flags: ExchangeFlags, for shape: LayerShape) -> ShadowPolicy? {
    guard flags.shadow == .on, !isAlone else { return nil }
    return ShadowPolicy(costs: costs(shape), memoryBytes: flags.shadowMemory << 20)
  }

  /// Decides every so many steps which experts change ranks; nil where there is nobody to change with.
  func replacement(everySteps: Int, for shape: LayerShape) -> ReplacementSchedule? {
    guard everySteps > 0, !isAlone else { return nil }
    let policy = ReplacementPolicy(costs: costs(shape), moveLimit: 2 * topology.expertParallelSize)
    return ReplacementSchedule(everySteps: everySteps) { policy.replacement($0, stepCount: $1, owners: $2) }
  }

  private func costs(_ shape: LayerShape) -> LayerCosts {
    LayerCosts(
      machine: machine,
      shape: ExpertShape(
        hiddenSize: shape.hiddenSize, intermediateSize: shape.intermediateSize, matrixCount: shape.inputMatrixCount + 1,
        elementBytes: 4),
      hostOfRank: groupHosts, threadsPerRank: threadCount, passes: isTraining ? .training : .forward)
  }

  private var isAlone: Bool { topology.expertParallelSize == 1 }

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
}

/// What was decided for the expert layers of a model, with what is predicted of them.
struct ExchangeAdvice: CustomStringConvertible {
  private let advisor: ExchangeAdvisor
  private let layer: ExchangeAdvisor.Layer
  private let options: ExchangeOptions
  /// Of all expert layers, for the tokens that pass through the model at once.
  let predictedMilliseconds: Double

  /// Decides, and sets the runtime accordingly. Every rank calls it.
  init(
    _ flags: ExchangeFlags, _ calibration: CalibrationOptions, for model: ModelConfiguration, tokenCount: Int,
    _ runtime: ModelRuntime, _ worker: Worker
  ) throws {
    advisor = ExchangeAdvisor(
      machine: try worker.machineModel(runtime.workers, calibration), hosts: worker.hostMap, topology: runtime.topology,
      threadCount: runtime.workers.threadCount, isTraining: true)
    layer = ExchangeAdvisor.Layer(
      shape: LayerShape(
        tokenCount: tokenCount, hiddenSize: model.hiddenSize, intermediateSize: model.intermediateSize,
        expertCount: model.expertCount, expertsPerToken: model.expertsPerToken, inputMatrixCount: 2))
    options = advisor.options(flags, for: layer)
    let layerCount = (0..<model.layerCount).count(where: model.hasExperts)
    let shadowing = advisor.shadowing(flags, for: layer.shape)
    predictedMilliseconds = 1e3 * Double(layerCount) * advisor.seconds(options, for: layer, shadowing)
    runtime.experts.use(options, on: worker.hostMap)
    runtime.experts.follow(shadowing)
    if flags.progress == .thread { worker.world.startProgressThread() }
  }

  var machine: MachineModel { advisor.machine }
  private var chunkRows: Int { options.chunkRows(width: layer.shape.hiddenSize) }

  /// When experts may change ranks; nil for never.
  func replacement(everySteps: Int) -> ReplacementSchedule? {
    advisor.replacement(everySteps: everySteps, for: layer.shape)
  }

  var description: String {
    "exchange     \(options.policy.rawValue)\(options.relayedHosts == nil ? "" : ", two-level,") in messages of \(chunkRows) rows, expert layers predicted at \(Int(predictedMilliseconds.rounded())) ms "
      + "a micro-batch"
  }
}

extension ExpertRuntime {
  /// Takes options over; those that were decided for the first group's hosts are made to fit this one's.
  func use(_ options: ExchangeOptions, on hosts: HostMap) {
    self.options = options
    guard options.relayedHosts != nil else { return }
    self.options.relayedHosts = HostMap(names: group.worldRanks.map { hosts.hostOfRank[$0.index] })
  }

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
