import Foundation

/// `trainer_state.json`: what a resumed run must know besides the weights and the moments.
///
/// The order of the text is a function of the configuration's seed and the step, so these two are the place in the data.
package struct TrainerState: Codable, Hashable, Sendable {
  private static let currentVersion = 1

  private var version = currentVersion
  /// Steps done.
  package let step: Int
  package let configuration: TrainingConfiguration
  /// The sequences that the run trains on.
  package let text: TextIdentity
  /// Absent in checkpoints of runs that did not look at it yet.
  package let health: StepHealth?

  package init(step: Int, configuration: TrainingConfiguration, text: TextIdentity, health: StepHealth? = nil) {
    self.step = step
    self.configuration = configuration
    self.text = text
    self.health = health
  }

  /// Reads the file's content.
  ///
  /// - Parameter path: of the checkpoint, for the message.
  package init(json: [UInt8], path: String) throws(TrainingError) {
    do {
      self = try JSONDecoder().decode(TrainerState.self, from: Data(json))
    } catch {
      throw TrainingError(
        .unreadableState,
        "\(path)/trainer_state.json is not what this program writes: remove the checkpoint to go on from "
          + "the one before")
    }
    guard version == Self.currentVersion, step >= 0 else {
      throw TrainingError(
        .unreadableState,
        "\(path)/trainer_state.json has version \(version) and step \(step); this program reads version "
          + "\(Self.currentVersion)")
    }
    guard step <= TrainingConfiguration.largestCount, configuration.hasBelievableCounts, health?.isBelievable ?? true
    else {
      throw TrainingError(
        .unreadableState,
        "\(path)/trainer_state.json has numbers that no run has: remove the checkpoint to go on from the one before")
    }
  }

  /// The file's content.
  package func json() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(self))
  }
}
