import Checkpoints
package import Communication
package import LanguageModel
import Tensors
import Tokenization
import Topology

/// Everything about a run that is decided before memory for the model is taken; the same on all ranks.
package struct TrainingPlan {
  package let request: TrainingRequest
  package let model: ModelConfiguration
  package let configuration: TrainingConfiguration
  package let data: TrainingData
  /// The held-out text, if the run looks at it.
  package let heldOut: (any SequenceSource)?
  /// What the user should know before the run begins, one line each.
  package let notices: [String]
  let origin: TrainingOrigin
  let tokenizer: Tokenizer?
  let text: TextIdentity
  /// Keeps other jobs out of the output; on rank 0.
  let lock: OutputLock?
  /// Checkpoints that turned out to be damaged when they were loaded, newest first.
  private let passedOver: [DamagedCheckpoint]

  /// Steps that are done already.
  package var completedSteps: Int { origin.trainerState?.step ?? 0 }

  /// Finds the text, the output and what to begin with, and makes them fit together. Every rank calls it.
  ///
  /// - Throws: a `Refusal`, on all ranks alike; or `CommunicationError`.
  package init(_ request: TrainingRequest, over world: any Communicator) throws {
    do {
      try self.init(planning: request, lock: nil, passedOver: [], over: world)
    } catch let error as CommunicationError {
      throw error
    } catch {
      throw Refusal(error)
    }
  }

  /// - Parameter held: the lock, where the output has been prepared already.
  private init(
    planning request: TrainingRequest, lock held: OutputLock?, passedOver: [DamagedCheckpoint],
    over world: any Communicator
  ) throws {
    try request.checkFlags()
    let found = try TrainingText.find(request.corpus, over: world)
    lock = try world.agree {
      guard world.rank == Rank(0) else { return nil }
      let lock = try held ?? OutputDirectory.prepare(request.output, resume: request.resumes, files: request.files)
      if !request.resumes { try MetricsFile.check(request.metricsPath) }
      return lock
    }
    self.passedOver = passedOver
    origin = try TrainingOrigin.find(request, passingOver: passedOver, over: world)
    let prepared = try found.prepare(
      for: try origin.model(request), origin, request.options, over: world)
    self.request = request
    model = prepared.model
    configuration = prepared.configuration
    tokenizer = prepared.tokenizer
    heldOut = prepared.heldOut
    data = TrainingData(
      prepared.sequences,
      order: SequenceOrder(
        sequenceCount: prepared.sequences.sequenceCount, batchSize: configuration.batchSequences,
        seed: configuration.seed))
    text = TextIdentity(of: prepared.sequences)
    notices =
      found.notices + [lock?.notice].compactMap(\.self) + passedOver.map(\.notice) + (origin.source?.notices ?? [])
      + prepared.notices + Self.notices(of: request, origin, configuration)
    try requireSameText()
  }

  /// Loads what the run begins with. A checkpoint that turns out to be damaged is passed over, which makes another plan.
  ///
  /// Every rank calls it.
  func loadingState(
    layout: ParameterLayout, on runtime: ModelRuntime
  ) throws -> (plan: TrainingPlan, state: TrainingState) {
    var plan = self
    while true {
      do {
        return (plan, try plan.origin.state(plan.model, plan.configuration, layout: layout, on: runtime))
      } catch let refusal as Refusal {
        guard let step = plan.origin.trainerState?.step, plan.origin.source?.mayBePassedOver(because: refusal) == true
        else { throw refusal }
        plan = try plan.passingOver(DamagedCheckpoint(step: step, refusal: refusal), over: runtime.world)
      }
    }
  }

  private func passingOver(
    _ damaged: DamagedCheckpoint, over world: any Communicator
  ) throws -> TrainingPlan {
    let earlier = try TrainingPlan(planning: request, lock: lock, passedOver: passedOver + [damaged], over: world)
    guard earlier.model == model else {
      throw Refusal(
        damaged.refusal.kind, "\(damaged.refusal.message); the checkpoint before is one of another model")
    }
    return earlier
  }

  private static func notices(
    of request: TrainingRequest, _ origin: TrainingOrigin, _ configuration: TrainingConfiguration
  ) -> [String] {
    guard request.resumes else { return [] }
    guard let step = origin.trainerState?.step else {
      return ["there is no checkpoint in \(request.output) yet: the run begins anew"]
    }
    guard step >= configuration.lastStep else { return [] }
    return ["step \(step) of \(configuration.lastStep) is done: there is nothing left to do; raise --steps to go on"]
  }

  /// A resumed run goes on in the list of sequences that it began with, or it would skip some and repeat others.
  private func requireSameText() throws(TrainingError) {
    guard let saved = origin.trainerState?.text, saved != text else { return }
    throw TrainingError(
      .contradictsCheckpoint,
      "the text in --corpus (\(text.sequenceCount) sequences) is not the one that this run was trained on "
        + "(\(saved.sequenceCount)): give the same, or begin a new run with --init-from \(request.output)")
  }
}

/// A checkpoint whose content is not what was written.
struct DamagedCheckpoint {
  let step: Int
  /// What was found when it was loaded.
  let refusal: Refusal

  var notice: String { "a newer checkpoint was passed over: \(refusal.message)" }
}
