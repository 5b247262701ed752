import Checkpoints
package import Communication
package import LanguageModel
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

  /// Steps that are done already.
  package var completedSteps: Int { origin.trainerState?.step ?? 0 }

  /// Finds the text, the output and what to begin with, and makes them fit together. Every rank calls it.
  ///
  /// - Throws: a `Refusal`, on all ranks alike; or `CommunicationError`.
  package init(_ request: TrainingRequest, over world: any Communicator) throws {
    do {
      try self.init(planning: request, over: world)
    } catch let error as CommunicationError {
      throw error
    } catch {
      throw Refusal(error)
    }
  }

  private init(planning request: TrainingRequest, over world: any Communicator) throws {
    try request.checkFlags()
    let found = try TrainingText.find(request.corpus, over: world)
    try world.agree {
      guard world.rank == Rank(0) else { return }
      try OutputDirectory.prepare(request.output, resume: request.resumes)
    }
    origin = try TrainingOrigin.find(request, over: world)
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
      found.notices + (origin.source?.notices ?? []) + prepared.notices
      + Self.notices(of: request, origin, configuration)
    try requireSameText()
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
